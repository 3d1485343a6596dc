package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"example.com/eci"
)

// showTargets fills the table of sources and targets. The source with the highest mean
// gain comes first. The shade of a cell is the gain relative to the largest in the
// table, or 5 if the gain is not shown to differ from 0.
func (v *view) showTargets(rankings []*eci.Ranking) {
	if len(rankings) == 0 {
		return
	}
	v.Metric, v.TargetName = rankings[0].Lookahead.Metric, Clean(rankings[0].Lookahead.Target)
	mean, largest := make(map[string]float64), 0.0
	var names []string
	for _, r := range rankings {
		v.TargetNames = append(v.TargetNames, Clean(r.Lookahead.Target))
		for _, s := range r.Ranked {
			if _, ok := mean[s.Source]; !ok {
				names = append(names, s.Source)
			}
			mean[s.Source] += s.Forecast.Gain
			largest = max(largest, math.Abs(s.Forecast.Gain))
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(mean[b], mean[a]), strings.Compare(a, b)) })
	for _, name := range names {
		row := pairRow{Name: Clean(name)}
		for _, r := range rankings {
			s, _ := r.Find(name)
			f, cell := s.Forecast, pairCell{Shade: 5}
			if f.Low > 0 || f.Harms {
				cell.Shade = 5 + int(math.Round(5*f.Gain/largest))
			}
			cell.Probability = fmt.Sprintf("%+.3f", f.Gain)
			if f.Deviations != nil {
				cell.Lead = fmt.Sprintf("%+.3f to %+.3f", f.Low, f.High)
			}
			row.Cells = append(row.Cells, cell)
		}
		v.Targets = append(v.Targets, row)
	}
}
