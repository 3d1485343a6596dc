package report

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// whisker is an estimate with its interval and, optionally, a second value.
type whisker struct {
	Label            string
	Value, Low, High float64
	Color            int
	// Hollow is a second value, drawn as a ring; NaN for none.
	Hollow float64
}

// whiskers plots estimates one below the other. If zero is set, a line marks 0.
func whiskers(rows []whisker, x string, zero bool, f figure) (figure, error) {
	p := newPlot(x, "")
	names := make([]string, len(rows))
	low, high := math.Inf(1), math.Inf(-1)
	for i, r := range rows {
		names[i] = r.Label
		for _, v := range []float64{r.Value, r.Low, r.High, r.Hollow} {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if zero {
		low, high = min(low, 0), max(high, 0)
	}
	margin := max((high-low)*0.04, 1e-9)
	named(p, names)
	p.X.Tick.Marker = fewTicks{6}
	grid(p, true, false)
	p.Add(drawing{low - margin, high + margin, -0.6, float64(len(rows)) - 0.4, func(c draw.Canvas, at func(x, y float64) vg.Point) {
		if zero {
			c.StrokeLine2(draw.LineStyle{Color: paint(mutedColor), Width: 1.25}, at(0, -0.6).X, c.Min.Y, at(0, 0).X, c.Max.Y)
		}
		for i, r := range rows {
			y := float64(len(rows) - 1 - i)
			line := draw.LineStyle{Color: paint(r.Color), Width: 2}
			a, b, mid := at(r.Low, y), at(r.High, y), at(r.Value, y)
			c.StrokeLine2(line, a.X, a.Y, b.X, b.Y)
			for _, end := range []vg.Point{a, b} {
				c.StrokeLine2(line, end.X, end.Y-3.5, end.X, end.Y+3.5)
			}
			c.DrawGlyph(draw.GlyphStyle{Color: paint(r.Color), Radius: 4.5, Shape: draw.CircleGlyph{}}, mid)
			if !math.IsNaN(r.Hollow) {
				ring := at(r.Hollow, y)
				c.DrawGlyph(draw.GlyphStyle{Color: paint(backgroundColor), Radius: 4.5, Shape: draw.CircleGlyph{}}, ring)
				var circle vg.Path
				circle.Move(vg.Point{X: ring.X + 4, Y: ring.Y})
				circle.Arc(ring, 4, 0, 2*math.Pi)
				c.SetLineStyle(line)
				c.Stroke(circle)
			}
		}
	}})
	return render(p, 44+24*vg.Length(len(rows)), f)
}

// drawing is a plotter that draws with coordinates of the axes.
type drawing struct {
	xmin, xmax, ymin, ymax float64
	draw                   func(c draw.Canvas, at func(x, y float64) vg.Point)
}

func (d drawing) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	d.draw(c, func(x, y float64) vg.Point { return vg.Point{X: tx(x), Y: ty(y)} })
}

func (d drawing) DataRange() (xmin, xmax, ymin, ymax float64) { return d.xmin, d.xmax, d.ymin, d.ymax }

// ridge is a distribution over equal bins of [0, high] with its mean.
type ridge struct {
	Label string
	Bins  []float64
	Mean  float64
	Color int
}

// ridges plots distributions one below the other, each scaled to its own peak.
func ridges(rows []ridge, high float64, x string, f figure) (figure, error) {
	p := newPlot(x, "")
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Label
	}
	named(p, names)
	p.X.Tick.Marker = fewTicks{6}
	grid(p, true, false)
	p.Add(drawing{0, high, -0.15, float64(len(rows)), func(c draw.Canvas, at func(x, y float64) vg.Point) {
		for i, r := range rows {
			y, peak := float64(len(rows)-1-i), 0.0
			for _, v := range r.Bins {
				peak = max(peak, v)
			}
			if peak == 0 {
				continue
			}
			top := make([]vg.Point, 0, len(r.Bins)+2)
			width := high / float64(len(r.Bins))
			top = append(top, at(0, y+0.85*r.Bins[0]/peak))
			for k, v := range r.Bins {
				top = append(top, at((float64(k)+0.5)*width, y+0.85*v/peak))
			}
			top = append(top, at(high, y+0.85*r.Bins[len(r.Bins)-1]/peak))
			fill := append([]vg.Point{at(0, y)}, top...)
			fill = append(fill, at(high, y))
			tint := paint(r.Color)
			c.FillPolygon(translucent(r.Color), fill)
			c.StrokeLines(draw.LineStyle{Color: tint, Width: 1.5}, top)
			mean := at(r.Mean, y)
			c.StrokeLine2(draw.LineStyle{Color: paint(inkColor), Width: 1.75}, mean.X, mean.Y, mean.X, at(0, y+0.5).Y)
		}
	}})
	return render(p, 44+34*vg.Length(len(rows)), f)
}

// curve is a line of a source.
type curve struct {
	XY     plotter.XYs
	Rank   int
	Points bool
}

// curves plots lines. logarithmic applies to both axes, whose values must then be
// above 0.
func curves(lines []curve, x, y string, logarithmic bool, low, high float64, f figure) (figure, error) {
	p := newPlot(x, y)
	p.X.Tick.Marker, p.Y.Tick.Marker = fewTicks{6}, fewTicks{6}
	p.Y.Width, p.Y.Tick.Length = 0, 0
	p.Y.Padding = 6
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, powerTicks{}
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, countTicks{}
	}
	grid(p, false, true)
	for i := len(lines) - 1; i >= 0; i-- { // the best on top
		l, err := plotter.NewLine(lines[i].XY)
		if err != nil {
			return f, err
		}
		l.Color, l.Width, l.Dashes = paint(series(lines[i].Rank)), 1.75, dashes(lines[i].Rank)
		p.Add(l)
		if lines[i].Points {
			s, err := plotter.NewScatter(lines[i].XY)
			if err != nil {
				return f, err
			}
			s.GlyphStyle = draw.GlyphStyle{Color: l.Color, Radius: 2.5, Shape: draw.CircleGlyph{}}
			p.Add(s)
		}
	}
	if low < high {
		p.Y.Min, p.Y.Max = low, high
	}
	if logarithmic && p.X.Min == p.X.Max { // or the plot widens the axis by 1 to either side, to 0
		p.X.Min, p.X.Max = p.X.Min/2, 2*p.X.Max
	}
	return render(p, 250, f)
}
