package tripleio

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// Cells contain lists if rows of lists were exported: as JSON, as Python prints a
// list, or as NumPy prints an array of texts, without commas.

// cellList reads a list of texts, or of numbers, in a cell.
func cellList(cell string) ([]string, bool) {
	cell = strings.TrimSpace(cell)
	if len(cell) < 2 || cell[0] != '[' || cell[len(cell)-1] != ']' {
		return nil, false
	}
	var values []any
	d := json.NewDecoder(strings.NewReader(cell))
	d.UseNumber()
	if d.Decode(&values) == nil && d.InputOffset() == int64(len(cell)) {
		texts := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case string:
				texts[i] = v
			case json.Number:
				texts[i] = v.String()
			default:
				return nil, false
			}
		}
		return texts, true
	}
	return pythonList(cell[1 : len(cell)-1])
}

// pythonList reads the contents of the brackets of a list of texts.
func pythonList(rest string) (texts []string, ok bool) {
	texts = []string{}
	for {
		rest = strings.TrimLeft(rest, " \t\r\n,")
		if rest == "" {
			return texts, true
		}
		mark := rest[0]
		if mark != '\'' && mark != '"' {
			return nil, false
		}
		var b strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != mark; i++ {
			if rest[i] != '\\' || i+1 == len(rest) {
				b.WriteByte(rest[i])
				continue
			}
			i++
			switch c := rest[i]; c {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '\\', '\'', '"':
				b.WriteByte(c)
			default: // Python prints these for characters that it does not display
				return nil, false
			}
		}
		if i == len(rest) {
			return nil, false
		}
		texts, rest = append(texts, b.String()), rest[i+1:]
	}
}

// listColumns returns the columns of documents in which every cell of a sample is a
// list or empty.
func (c *columns) listColumns(rows [][]string) (lists []int) {
	for _, k := range append([]int{c.positive, c.positiveID, c.negID}, c.negatives...) {
		filled := false
		all := k >= 0 && !slices.ContainsFunc(column(rows, max(k, 0)), func(cell string) bool {
			if strings.TrimSpace(cell) == "" {
				return false
			}
			filled = true
			_, ok := cellList(cell)
			return !ok && !looksLikeList(cell) // reported as an error of its row
		})
		if all && filled {
			lists = append(lists, k)
		}
	}
	return lists
}

// looksLikeList reports whether a cell that is not a list was meant as one, such as an
// array that NumPy has abbreviated.
func looksLikeList(cell string) bool {
	cell = strings.TrimSpace(cell)
	return (strings.HasPrefix(cell, "['") || strings.HasPrefix(cell, `["`)) && strings.HasSuffix(cell, "]")
}

// documents appends the documents in a cell of texts or IDs: one, or those of a list.
func (c *columns) documents(dst []passage, cells []string, k int, ids bool, one passage) ([]passage, error) {
	if !slices.Contains(c.lists, k) {
		return append(dst, one), nil
	}
	if strings.TrimSpace(cells[k]) == "" {
		return dst, nil
	}
	texts, ok := cellList(cells[k])
	if !ok {
		return dst, fmt.Errorf("%w: no list of texts in a column of such: %q", fault.Malformed, quote.Clip(cells[k]))
	}
	for _, text := range texts {
		if ids {
			dst = append(dst, passage{id: text, bare: true})
		} else {
			dst = append(dst, passage{text: text})
		}
	}
	return dst, nil
}
