package main

import (
	"time"

	"example.com/eci"
	"github.com/schollz/progressbar/v3"
)

// meter shows the progress of a run on standard error, with rate and remaining time.
// It shows nothing if the run is quiet or piped.
type meter struct {
	a     *app
	bar   *progressbar.ProgressBar
	title string
}

func (a *app) meter() *meter { return &meter{a: a} }

// shown reports whether progress is wanted.
func (a *app) shown() bool { return a.forceProgress || !a.quiet && terminal(a.err) }

// report returns the function for eci.Sem.Progress, or nil if nothing is shown.
func (m *meter) report() func(eci.Progress) {
	if !m.a.shown() {
		return nil
	}
	return func(p eci.Progress) { m.set(p.Stage+" "+p.Source, p.Triples, p.Total) }
}

// set says that done of total triples of a part are done. total is 0 if unknown.
func (m *meter) set(title string, done, total int) {
	if m.bar == nil || title != m.title {
		m.stop()
		if total <= 0 {
			total = -1
		}
		m.title = title
		m.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(m.a.err),
			progressbar.OptionSetDescription(excerpt(title, 30)),
			progressbar.OptionSetWidth(24),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("triples"),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish())
	}
	// The bar is only decoration: failing to draw it is not an error.
	_ = m.bar.Set(done)
}

// stop clears the line.
func (m *meter) stop() {
	if m.bar != nil {
		_ = m.bar.Clear()
		m.bar = nil
	}
}

// watch counts the triples of sources that are read without a Sem.
func (m *meter) watch(title string, sources []eci.Source) []eci.Source {
	if !m.a.shown() {
		return sources
	}
	out := make([]eci.Source, len(sources))
	for i, s := range sources {
		out[i] = s // keeps what it knows about its files
		out[i].Triples = func(yield func(eci.Triple, error) bool) {
			n := 0
			for t, err := range s.Triples {
				if n++; n%256 == 0 {
					m.set(title+" "+s.Name, n, 0)
				}
				if !yield(t, err) {
					return
				}
			}
		}
	}
	return out
}
