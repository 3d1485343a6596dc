// Package tripleio reads and writes files of training triples. It finds the format of
// a file, reads its rows, looks up the texts of IDs, and makes records from them.
package tripleio

// Record is one triple. It has the same fields as the root package's Record, so that
// one converts to the other without a copy.
type Record struct {
	QueryID      string `json:"query_id,omitempty"`
	QueryText    string `json:"query"`
	PositiveID   string `json:"positive_id,omitempty"`
	PositiveText string `json:"positive"`
	NegativeID   string `json:"negative_id,omitempty"`
	NegativeText string `json:"negative"`
	SourceName   string `json:"source,omitempty"`

	QueryVector    []float32 `json:"query_vector,omitempty"`
	PositiveVector []float32 `json:"positive_vector,omitempty"`
	NegativeVector []float32 `json:"negative_vector,omitempty"`

	File string `json:"-"`
	Row  int    `json:"-"`

	Extra []Extra `json:"-"`
}
