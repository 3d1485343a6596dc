// Package demo holds a small data set to try eci on: questions and short
// passages on everyday technical topics, five sources of hard negatives for
// them, and the vectors of one sentence encoder.
//
// See README.md for what each file holds and how the derived ones are built.
package demo

import "embed"

// Files holds the data set, under the paths of this directory:
// sources/dense.jsonl, vectors/queries.npy and so on.
//
//go:embed corpus.jsonl queries.jsonl qrels.tsv hard_negatives.jsonl answers.jsonl sources vectors
var Files embed.FS
