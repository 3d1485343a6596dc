// Package ecibeam ranks sources of hard negatives on Apache Beam: the method of
// [eci.Rank] for sets of triples that one machine should not read alone. The same
// pipeline runs on Prism, Beam's runner for one machine, and on Flink, Spark and
// Dataflow.
//
// A pipeline reads rows ([ReadFiles], [ReadParquet] or rows of one's own), gives
// them vectors ([JoinVectors] or [EmbedRows], unless they carry them), sets bad ones
// aside ([CheckRows]) and ranks them ([RankSources]):
//
//	rows    ->  CalibrateSources  ->  calibration, budget, labels
//	rows, calibration, budget  ->  ScoreSources  ->  sums and samples of each source
//	all of it  ->  RankSources, WriteSummary  ->  a [Summary], some megabytes
//
// [Summary.Rank] makes the library's [eci.Ranking] of the summary, with the same
// table, notes and JSON.
//
// # What is exact
//
// Budgets, calibration pairs, document frequencies, checks and forecasts rest on
// counts and on samples by least hash, which merge without a trace of how rows were
// divided: they equal those of [eci.Rank]. Sums of floating-point numbers depend on
// their order, which no runner fixes. Scores, standard errors and probabilities
// are within 1e-9 relative of those of eci.Rank with Sem.Exact, in practice within
// 1e-12.
//
// Every row must have its own File and Row, or differ in text or id from every other
// row of its source: among equal rows those are taken for one when samples are
// drawn.
//
// # What is left out
//
// Only samples tell single triples: checks and forecasts look at those of least hash,
// as they do in [eci.Rank], and so do lint and reports here ([Summary.Samples]), which
// look at all triples there. A target ([Summary.Rank]) is read on one machine, and
// Target.LeaveOut is refused. Choosing rows ([eci.Choose]), an [eci.Race], checkpoints
// and components of one's own are for one machine. Mixtures need the matrices of all
// groups, which a summary keeps while they are small ([Settings].MatrixBytes); it says
// so in a note when it does not.
package ecibeam
