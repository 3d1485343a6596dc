package ecibeam

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"example.com/eci"
	"example.com/eci/internal/gram"
)

// Rows and tiles, in whatever bundles, give the matrix that holds all rows: where all
// are few, where all are many, and where some groups are the one and some the other.
// The last dimension needs several tiles.
func TestTilesAddUpToTheWhole(t *testing.T) {
	for _, test := range []struct {
		d, rows, bundles int
	}{{5, 3, 1}, {5, 300, 4}, {64, 40, 3}, {64, 500, 3}, {200, 150, 7}, {730, 900, 2}} {
		config := eci.MatrixConfig{Dimension: test.d, Groups: 3, Epsilon2: 0.5, Settings: "of the test"}
		whole, err := eci.NewMatrix(config)
		if err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(uint64(test.d), uint64(test.rows)))
		bundles := make([]sent, test.bundles)
		var scratch gram.Scratch
		for b := range bundles {
			bundles[b] = sent{few: make(map[string][]part), tiles: make(map[string][]part), sums: make(map[string][]totals)}
			sums := make([]gram.Sum, config.Groups)
			x := totals{config, make([]eci.Totals, config.Groups)}
			for i := b; i < test.rows; i += test.bundles {
				group := min(2, random.IntN(8)) // most rows are of one group
				row := make([]float64, test.d)
				for k := range row {
					row[k] = random.NormFloat64() * math.Exp(random.NormFloat64())
				}
				if err := whole.Add(group, 1, row); err != nil {
					t.Fatal(err)
				}
				addRows(&sums[group], test.d, row, &scratch)
				x.ByGroup[group].Triples++
			}
			for g := range sums {
				key := groupKey(g, "a/b")
				parts(&sums[g], test.d, g, &scratch, func(p part) { bundles[b].few[key] = append(bundles[b].few[key], p) },
					func(p part) {
						bundles[b].tiles[tileKey(p.Tile, key)] = append(bundles[b].tiles[tileKey(p.Tile, key)], p)
					})
			}
			for _, all := range []map[string][]part{bundles[b].few, bundles[b].tiles} {
				for _, parts := range all {
					for _, p := range parts {
						if n := len(encodePart(p)); n > elementBytes+64 {
							t.Errorf("d = %d: a part of %d bytes", test.d, n)
						}
					}
				}
			}
			bundles[b].sums["a/b"] = []totals{x}
		}
		got := assembling(t, bundles)["a/b"]
		a, b := got.Symmetric(), whole.Symmetric()
		largest := 0.0
		for i := range test.d {
			largest = max(largest, b.At(i, i))
		}
		for i := range test.d {
			for j := i; j < test.d; j++ {
				if !(math.Abs(a.At(i, j)-b.At(i, j)) <= 1e-12*largest) {
					t.Fatalf("d = %d, %d rows: element %d, %d is %v, of the whole %v", test.d, test.rows, i, j, a.At(i, j), b.At(i, j))
				}
			}
		}
		one, _, err := got.LogDets()
		two, _, err2 := whole.LogDets()
		if err != nil || err2 != nil || !(math.Abs(one-two) <= 1e-12*two) {
			t.Errorf("d = %d, %d rows: score %v, of the whole %v (%v, %v)", test.d, test.rows, one, two, err, err2)
		}
	}
}

// Parts that do not belong together are refused, not added.
func TestPartsThatDoNotFitAreRefused(t *testing.T) {
	if _, err := (tilesFn{}).MergeAccumulators(part{Dimension: 2, Numbers: []float64{1}}, part{Dimension: 2, Numbers: []float64{1, 2}}); !errors.Is(err, eci.ErrDimension) {
		t.Errorf("tiles of two lengths: %v", err)
	}
	config := eci.MatrixConfig{Dimension: 2, Groups: 2, Epsilon2: 0.5}
	one := totals{config, []eci.Totals{{Triples: 1}, {}}}
	row, tile := part{2, 0, -1, []float64{1, 2}}, part{2, 0, 0, []float64{1, 2, 3}}
	for _, test := range []struct {
		why         string
		rows, tiles []part
		want        error
	}{
		{"another dimension", []part{{3, 0, -1, []float64{1, 2, 3}}}, nil, eci.ErrDimension},
		{"a group that there is not", []part{{2, 2, -1, []float64{1, 2}}}, nil, eci.ErrDimension},
		{"a tile that is cut short", nil, []part{{2, 0, 0, []float64{1, 2}}}, eci.ErrFormat},
		{"a tile beyond the triangle", nil, []part{{2, 0, 1, []float64{1}}}, eci.ErrFormat},
		{"rows of a group without triples", []part{row, {2, 1, -1, []float64{1, 2}}}, nil, eci.ErrFormat},
		{"no rows of a group with triples", nil, nil, eci.ErrFormat},
	} {
		if _, _, err := matrixOf(one, iterate(test.rows), iterate(test.tiles)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.why, err)
		}
	}
	if m, _, err := matrixOf(one, iterate([]part{row}), iterate([]part{tile})); err != nil || m.Triples() != 1 {
		t.Errorf("a row and a tile: %v", err)
	}
	whole := encodePart(tile)
	for n := range whole {
		if _, err := decodePart(whole[:n]); !errors.Is(err, eci.ErrFormat) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
}
