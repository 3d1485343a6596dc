// Package ecibeam ranks sources of hard negatives on Apache Beam: the method of
// [eci.Rank] for sets of triples that one machine should not read alone. The same
// pipeline runs on Prism, Beam's runner for one machine, and on Flink, Spark and
// Dataflow.
//
// A pipeline reads rows ([ReadFiles], [ReadParquet] or your own), adds vectors to them
// ([JoinVectors] or [EmbedRows], unless they carry them), sets bad ones aside
// ([CheckRows]) and ranks them ([RankSources]):
//
//	rows    ->  CalibrateSources  ->  calibration, budget, labels
//	rows, calibration, budget  ->  ScoreSources  ->  sums and samples of each source
//	all of it  ->  RankSources, WriteSummary  ->  a [Summary], some megabytes
//
// [Summary.Rank] makes an [eci.Ranking] from the summary, with the same table, notes
// and JSON. A second pipeline chooses the rows to train on, with influences that this
// machine makes from the summary ([Summary.Influences]) and writes to a file:
//
//	rows, influences  ->  ChooseRows  ->  rows with influence and place; kept or not
//
// # What is exact
//
// Budgets, calibration pairs, document frequencies, checks and forecasts are based on
// counts and on samples by least hash. These merge to the same result however the rows
// were divided, so they equal those of [eci.Rank]. Choices equal those of [eci.Choose]
// with as many triples in the sample. Sums of floating-point numbers
// depend on their order, which no runner fixes. Scores, standard errors and
// probabilities are within 1e-9 relative of those of eci.Rank with Sem.Exact, in
// practice within 1e-12.
//
// Every row must have its own File and Row, or differ in text or ID from every other
// row of its source. Equal rows without a place are treated as one when samples are
// drawn.
//
// # What is left out
//
// Only samples give access to single triples. Checks and forecasts use those of least
// hash, as they do in [eci.Rank]. Reports and the rules of lint that compare rows also
// use them here ([Summary.Samples]), but use all triples there; the other rules are
// counted over all rows ([Summary.Lint]). A target ([Summary.Rank]) is read on one
// machine, and Target.LeaveOut is rejected. The check of a choice ([eci.ChoiceCheck]),
// an [eci.Race], checkpoints and custom components work on one machine only. Mixtures
// need the matrices of all groups. A summary keeps them while they are small
// ([Settings].MatrixBytes), and has a note if it does not.
package ecibeam
