package report

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Plots are drawn in placeholder colors: #F000 (#F001 for a translucent fill) and two
// digits. They are replaced with the page's CSS variables, so that a plot follows the
// theme.
const (
	inkColor = iota
	mutedColor
	gridColor
	accentColor
	warnColor
	backgroundColor
	seriesColor // and the ones after it
)

var variables = []string{"ink", "muted", "grid", "accent", "warn", "surface"}

// seriesCount is the number of colors for sources. Further sources repeat them with
// dashes.
const seriesCount = 8

func paint(index int) color.Color { return color.RGBA{R: 0xF0, B: uint8(index), A: 0xFF} }

func translucent(index int) color.Color {
	return color.RGBA{R: 0xF0, G: 1, B: uint8(index), A: 0xFF}
}

// series returns the color of a source by its rank, from 0.
func series(i int) int { return seriesColor + i%seriesCount }

// dashes distinguish sources of one color.
func dashes(i int) []vg.Length {
	switch i / seriesCount % 3 {
	case 1:
		return []vg.Length{6, 3}
	case 2:
		return []vg.Length{2, 2}
	}
	return nil
}

func variable(index int) string {
	if index >= seriesColor {
		return fmt.Sprintf("var(--s%d)", index-seriesColor+1)
	}
	return "var(--" + variables[index] + ")"
}

// figure is a plot with its words.
type figure struct {
	ID, Title, Caption string
	// Describe says what the plot shows, for readers who cannot see it.
	Describe string
	SVG      template.HTML
}

const plotWidth vg.Length = 360

// newPlot returns an empty plot in the style of the page.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Width = paint(mutedColor), 0.75
		a.Label.TextStyle.Color, a.Tick.Label.Color, a.Tick.Color = paint(mutedColor), paint(mutedColor), paint(mutedColor)
		a.Label.TextStyle.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
		a.Tick.Label.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 12}
		a.Tick.Width, a.Tick.Length = 0.75, 4
		a.Padding = 0
		a.Label.Padding = 4
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// grid adds lines at the ticks of either axis.
func grid(p *plot.Plot, vertical, horizontal bool) {
	g := plotter.NewGrid()
	style := draw.LineStyle{Color: paint(gridColor), Width: 0.75}
	g.Vertical, g.Horizontal = draw.LineStyle{}, draw.LineStyle{}
	if vertical {
		g.Vertical = style
	}
	if horizontal {
		g.Horizontal = style
	}
	p.Add(g)
}

// named labels the y axis with names, the first on top.
func named(p *plot.Plot, names []string) {
	ticks := make([]plot.Tick, len(names))
	for i, name := range names {
		ticks[i] = plot.Tick{Value: float64(len(names) - 1 - i), Label: short(name, 20)}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Tick.Length, p.Y.Width = 0, 0
	p.Y.Tick.Width = 0
	p.Y.Tick.Label.Color = paint(inkColor)
	p.Y.Padding = 6
}

// fewTicks gives an axis about n labeled ticks and no others.
type fewTicks struct{ n int }

func (f fewTicks) Ticks(low, high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(f.n))))
	for _, by := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*by) <= float64(f.n) {
			step *= by
			break
		}
	}
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	for k := math.Ceil(low/step - 1e-9); k*step <= high+1e-9*step; k++ {
		ticks = append(ticks, plot.Tick{Value: k * step, Label: minus(fmt.Sprintf("%.*f", digits, k*step))})
	}
	return ticks
}

// powerTicks are the powers of ten on a logarithmic axis.
type powerTicks struct{}

func (powerTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for k := math.Ceil(math.Log10(low) - 1e-9); k <= math.Log10(high)+1e-9; k++ {
		ticks = append(ticks, plot.Tick{Value: math.Pow(10, k), Label: "10" + superscript(int(k))})
	}
	return ticks
}

// countTicks are 1, 2, 5, 10, 20 and so on, on a logarithmic axis.
type countTicks struct{}

func (countTicks) Ticks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for power := 1.0; power <= high; power *= 10 {
		for _, by := range []float64{1, 2, 5} {
			if v := by * power; v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprint(v)})
			}
		}
	}
	return ticks
}

func superscript(k int) string {
	return strings.Map(func(r rune) rune {
		if r == '-' {
			return '⁻'
		}
		return []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[r-'0']
	}, fmt.Sprint(k))
}

// minus formats a number with a minus sign instead of a hyphen, and with no sign
// before 0.
func minus(s string) string {
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return strings.Replace(s, "-", "−", 1)
}

// short cuts a name for a plot. The tables have the full name.
func short(name string, n int) string {
	name = Clean(name)
	if r := []rune(name); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return name
}

var (
	placeholder = regexp.MustCompile(`#F00[01][0-9A-F]{2}`)
	textElement = regexp.MustCompile(`<text\b`)
	fontFamily  = regexp.MustCompile(`style="font-family:[^"]*?;font-size`)
)

// measured is a canvas that records the width of every text. A page cannot know which
// fonts its reader has. With the width, the browser fits its own font into the space
// of the text.
type measured struct {
	*vgsvg.Canvas
	widths []float64
}

func (m *measured) FillString(f font.Face, at vg.Point, text string) {
	m.widths = append(m.widths, f.Width(text).Points())
	m.Canvas.FillString(f, at, text)
}

// render draws a plot and returns it as a part of the page.
func render(p *plot.Plot, height vg.Length, f figure) (figure, error) {
	canvas := &measured{Canvas: vgsvg.New(plotWidth, height)}
	// The last label of an axis extends beyond its end.
	p.Draw(draw.Crop(draw.New(canvas), 0, -10, 0, -4))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return f, err
	}
	s := b.String()
	start := strings.Index(s, "<svg")
	end := start + strings.Index(s[start:], ">") + 1
	body := placeholder.ReplaceAllStringFunc(s[end:], func(c string) string {
		index, err := strconv.ParseUint(c[5:], 16, 8)
		if err != nil || index >= seriesColor+seriesCount {
			return c
		}
		if c[4] == '1' {
			return variable(int(index)) + ";fill-opacity:.28"
		}
		return variable(int(index))
	})
	body = fontFamily.ReplaceAllString(body, `style="font-size`)
	next := 0
	body = textElement.ReplaceAllStringFunc(body, func(tag string) string {
		next++
		return fmt.Sprintf(`%s textLength="%.1f" lengthAdjust="spacingAndGlyphs"`, tag, canvas.widths[next-1])
	})
	f.SVG = template.HTML(fmt.Sprintf(
		`<svg viewBox="0 0 %g %g" role="img" aria-labelledby="%s-title %s-desc"><title id="%s-title">%s</title><desc id="%s-desc">%s</desc>%s`,
		plotWidth.Points(), height.Points(), f.ID, f.ID, f.ID, html.EscapeString(f.Title), f.ID, html.EscapeString(f.Describe), body))
	return f, nil
}
