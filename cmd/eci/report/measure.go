package report

import (
	"fmt"

	"example.com/eci"
)

// measure is what the sources of a ranking are compared by: the forecast of Lookahead,
// or the score.
type measure struct {
	ahead  bool
	name   string // of the figure, as a table's heading
	unit   string
	axis   string // of a plot
	digits int
}

func measureOf(r *eci.Ranking) measure {
	if r.Lookahead != nil {
		return measure{true, "Gain", r.Lookahead.Unit(), "expected change of " + r.Lookahead.Unit(), 3}
	}
	return measure{false, "Score", "nats", "effective information S, nats", 2}
}

// of returns the figure of a source and reports whether there is an interval. Without
// one, low and high are the figure itself.
func (m measure) of(s eci.Ranked) (value, low, high float64, ok bool) {
	value, low, high, ok = s.Value, s.Low, s.High, s.Groups >= 2
	if m.ahead {
		f := s.Forecast
		value, low, high, ok = f.Gain, f.Low, f.High, f.Deviations != nil
	}
	if !ok {
		low, high = value, value
	}
	return value, low, high, ok
}

// plain formats a figure or a difference of two, and signed does so with its sign.
// Both write a true minus sign.
func (m measure) plain(v float64) string { return minus(fmt.Sprintf("%.*f", m.digits, v)) }

func (m measure) signed(v float64) string { return minus(fmt.Sprintf("%+.*f", m.digits, v)) }

// figure formats the figure of a source. A gain has a sign, a score has none.
func (m measure) figure(v float64) string {
	if m.ahead {
		return m.signed(v)
	}
	return m.plain(v)
}

// nats is the measure of S, whatever a ranking is by.
var nats = measureOf(&eci.Ranking{})

// plain and signed format a number with two digits and a true minus sign.
func plain(v float64) string  { return nats.plain(v) }
func signed(v float64) string { return nats.signed(v) }

// difference formats a paired difference and its interval.
func (m measure) difference(d *eci.Difference) estimate {
	if d == nil {
		return estimate{Value: "–"}
	}
	return estimate{m.signed(d.Value), m.signed(d.Low) + " to " + m.signed(d.High)}
}
