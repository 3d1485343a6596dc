package ecibeam

import "github.com/apache/beam/sdks/v2/go/pkg/beam"

// The metrics of a pipeline, under the name "eci": rows that were read, set aside,
// counted by the survey, weighted, scored for a
// choice and kept by it. A runner counts a bundle as often as it tries
// it. Results do not depend on that.
var (
	read     = beam.NewCounter("eci", "rows_read")
	dead     = beam.NewCounter("eci", "rows_set_aside")
	surveyed = beam.NewCounter("eci", "rows_surveyed")
	weighedN = beam.NewCounter("eci", "triples_weighed")
	bundles  = beam.NewCounter("eci", "bundles_weighed")
	embedded = beam.NewCounter("eci", "texts_embedded")
	scored   = beam.NewCounter("eci", "rows_scored")
	keptN    = beam.NewCounter("eci", "rows_kept")
)
