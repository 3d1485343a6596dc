// Command plot draws the growth that bench/compare measured: the processor time of a
// ranking against the number of triples, of dimensions and of sources, with the limit
// of the machine.
//
//	go run ./bench/compare -parts growth -out bench/growth.json
//	go run ./bench/plot bench/growth.json bench/growth
//
// writes bench/growth.svg and bench/growth.png. It is a module of its own, so that the
// library does not depend on what draws.
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"log"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// growth is what bench/compare writes.
type growth struct {
	Groups int     `json:"groups"`
	Peak   float64 `json:"peak_gflops"`
	Memory float64 `json:"memory_gb_s"`
	Parse  float64 `json:"parse_mb_s"`
	Points []point `json:"points"`

	legend bool // of the next panel
}

type point struct {
	Against   string `json:"against"`
	Sources   int    `json:"sources"`
	Triples   int    `json:"triples"`
	Dimension int    `json:"dimension"`
	Bytes     int64  `json:"bytes"`
	Sides     []struct {
		Name string  `json:"name"`
		CPU  float64 `json:"processor_seconds"`
	} `json:"sides"`
}

// limit returns the time, in seconds, that the arithmetic of a ranking without checks
// takes on all cores at their peak, with every file parsed once, every vector read
// once and every residual written once.
func (g *growth) limit(p *point) float64 {
	n, d, sources := float64(p.Triples), float64(p.Dimension), float64(p.Sources)
	update := n * d * d                                // float32
	logDets := float64(g.Groups+1) * d * d * d / 3 * 2 // float64, half as fast
	if n < d {                                         // from the rows' own products
		update, logDets = n*n*d*2, float64(g.Groups+1)*n*n*n/3*2
	}
	return sources*(update+logDets)/(g.Peak*1e9) + float64(p.Bytes)/(g.Parse*1e6) + sources*n*4*4*d/(g.Memory*1e9)
}

// x returns the place of a point on its axis.
func (p *point) x() float64 {
	switch p.Against {
	case "triples":
		return float64(p.Triples)
	case "dimensions":
		return float64(p.Dimension)
	}
	return float64(p.Sources)
}

// The colors can be distinguished by people with color blindness, and in gray.
var colors = []color.Color{color.RGBA{0xd5, 0x5e, 0x00, 0xff}, color.RGBA{0x00, 0x72, 0xb2, 0xff}, color.RGBA{0x00, 0x9e, 0x73, 0xff}}

// panel draws the points along one axis.
func (g *growth) panel(against, title, label string) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, label, "processor seconds"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	var limit plotter.XYs
	var sides []plotter.XYs
	var names []string
	var ticks []plot.Tick
	for i := range g.Points {
		at := &g.Points[i]
		if at.Against != against {
			continue
		}
		ticks = append(ticks, plot.Tick{Value: at.x(), Label: fmt.Sprint(at.x())})
		limit = append(limit, plotter.XY{X: at.x(), Y: g.limit(at)})
		for k, side := range at.Sides {
			if k == len(sides) {
				sides, names = append(sides, nil), append(names, side.Name)
			}
			if !(side.CPU > 0) {
				return nil, fmt.Errorf("plot: %s took %v seconds against the number of %s", side.Name, side.CPU, against)
			}
			sides[k] = append(sides[k], plotter.XY{X: at.x(), Y: side.CPU})
		}
	}
	if len(limit) < 2 {
		return nil, fmt.Errorf("plot: fewer than two points against the number of %s", against)
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	for k, points := range sides {
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, fmt.Errorf("plot: %s: %w", names[k], err)
		}
		line.Color, dots.Color = colors[k%len(colors)], colors[k%len(colors)]
		line.Width = vg.Points(1.5)
		dots.Shape = draw.CircleGlyph{}
		if k == 0 {
			dots.Shape = draw.SquareGlyph{}
		}
		p.Add(line, dots)
		if g.legend {
			p.Legend.Add(names[k], line, dots)
		}
	}
	line, err := plotter.NewLine(limit)
	if err != nil {
		return nil, fmt.Errorf("plot: the limit: %w", err)
	}
	line.Color, line.Dashes = color.Gray{0x60}, []vg.Length{vg.Points(4), vg.Points(3)}
	p.Add(line)
	if g.legend {
		p.Legend.Add("limit of the machine", line)
		p.Legend.Top, p.Legend.Left = true, true
		p.Y.Max *= 10 // room for the legend
	}
	return p, nil
}

func run(in, out string) error {
	raw, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	var g growth
	if err := json.Unmarshal(raw, &g); err != nil {
		return fmt.Errorf("plot: %s: %w", in, err)
	}
	var panels []*plot.Plot
	for k, axis := range [][3]string{
		{"triples", "3 sources, d = 768", "triples of each source"},
		{"dimensions", "2 sources of 5,000 triples", "dimensions"},
		{"sources", "10,000 triples each, d = 768", "sources"},
	} {
		g.legend = k == 0
		p, err := g.panel(axis[0], axis[1], axis[2])
		if err != nil {
			return err
		}
		panels = append(panels, p)
	}
	const width, height = 30 * vg.Centimeter, 10 * vg.Centimeter
	picture := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))
	drawing := vgsvg.New(width, height)
	for _, canvas := range []vg.CanvasSizer{picture, drawing} {
		tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: vg.Millimeter * 8, PadTop: vg.Millimeter * 3, PadBottom: vg.Millimeter * 3, PadLeft: vg.Millimeter * 3, PadRight: vg.Millimeter * 3}
		for k, at := range plot.Align([][]*plot.Plot{panels}, tiles, draw.New(canvas))[0] {
			panels[k].Draw(at)
		}
	}
	return write(out+".png", vgimg.PngCanvas{Canvas: picture}, out+".svg", drawing)
}

// write writes the two pictures.
func write(png string, picture io.WriterTo, svg string, drawing io.WriterTo) error {
	for name, from := range map[string]io.WriterTo{png: picture, svg: drawing} {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if _, err := from.WriteTo(f); err != nil {
			f.Close()
			return fmt.Errorf("plot: %s: %w", name, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go run ./bench/plot growth.json growth, which writes growth.svg and growth.png")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}
