package main

import (
	"time"

	"example.com/eci"
	"github.com/schollz/progressbar/v3"
)

// meter shows on standard error how far a run is, with rate and remaining time. A
// meter of a run that is quiet or piped shows nothing.
type meter struct {
	a     *app
	bar   *progressbar.ProgressBar
	title string
}

func (a *app) meter() *meter { return &meter{a: a} }

// shown says whether progress is wanted.
func (a *app) shown() bool { return a.forceProgress || !a.quiet && terminal(a.err) }

// report is for eci.Sem.Progress; nil when nothing is shown.
func (m *meter) report() func(eci.Progress) {
	if !m.a.shown() {
		return nil
	}
	return func(p eci.Progress) { m.set(p.Stage+" "+p.Source, p.Triples, p.Total) }
}

// set says that done of total triples, 0 if unknown, of a part are done.
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
	// The bar is only decoration: that it cannot be drawn is no failure.
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
		out[i] = s // with what it knows of its files
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
