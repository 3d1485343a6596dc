package eci

// Severity says how bad a finding is. An error makes triples wrong, a warning
// calls for a look, and info is worth knowing.
// It is a plain value and safe for concurrent use.
type Severity string

// The severities, worst first.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityInfo    Severity = "info"
)

func (s Severity) rank() int {
	switch s {
	case SeverityError:
		return 0
	case SeverityWarning:
		return 1
	}
	return 2
}

// LintKind is the short, stable name of a rule. Rules compare texts as they are,
// unless they say folded: ignoring case, blanks, punctuation, the style of quotes and
// Unicode form. Signs that carry meaning, such as # and +, are kept. Tokens are those
// of [Linter.Tokenizer]. Two rows have the same query if the IDs or the texts of their
// queries are equal.
// It is a plain value and safe for concurrent use.
type LintKind string

// The rules. A triple counts under at most one of the first four: the first that
// applies.
const (
	// LintNegativeIsPositive (error): the negative has the text or the ID of its
	// own positive.
	LintNegativeIsPositive LintKind = "negative-is-positive"
	// LintNearIdentical (error): negative and positive are equal when folded.
	LintNearIdentical LintKind = "near-identical"
	// LintFalseNegative (error): the negative is another positive of the same
	// query, by folded text or by ID, in a row of any source or in
	// Linter.Relevant.
	LintFalseNegative LintKind = "false-negative"
	// LintCollision (info; warning above Linter.CollisionShare): the negative is a
	// positive of another query. That is common in a small corpus. It does harm when
	// most negatives are.
	LintCollision LintKind = "collision"

	// LintMalformed (error): the row does not parse, lacks a field, or is nil.
	LintMalformed LintKind = "malformed-row"
	// LintEmpty (error): a text is empty or blank. No other rule looks at the row.
	LintEmpty LintKind = "empty-text"
	// LintNoPositives (error): the row of a file has no list of positives or an empty
	// one, so it gives no triple. Trainers stop at such a row. It is info in formats
	// where this is not a fault of the file: labeled pairs, runs, and files of several
	// sources.
	LintNoPositives LintKind = "no-positives"
	// LintNoNegatives (error or info, like LintNoPositives): the same for negatives. A
	// row with neither counts as one without positives.
	LintNoNegatives LintKind = "no-negatives"

	// LintDuplicate (warning): an earlier row of the source has the same three
	// texts.
	LintDuplicate LintKind = "duplicate-triple"
	// LintShared (info): another source has a row with the same three texts.
	LintShared LintKind = "shared-triple"
	// LintRepeated (warning): more than Linter.RepeatedShare of the source's rows,
	// and at least five, have this negative.
	LintRepeated LintKind = "repeated-negative"

	// LintIDConflict (warning): the ID belonged to another text in an earlier row of
	// any source. IDs of queries and IDs of documents are separate.
	LintIDConflict LintKind = "id-conflict"
	// LintSameText (info): the text had another ID in an earlier row.
	LintSameText LintKind = "same-text"

	// LintQueryIsPositive (warning): query and positive have the same tokens in the
	// same order.
	LintQueryIsPositive LintKind = "query-is-positive"
	// LintQueryInNegative (warning): the negative contains the tokens of the query
	// as one run. Queries of fewer than Linter.MinTokens tokens are ignored.
	LintQueryInNegative LintKind = "query-in-negative"
	// LintPassageInPassage (warning): the negative contains the tokens of the
	// positive as one run, or the reverse. The shorter has at least Linter.MinTokens
	// tokens. Other rules handle equal texts.
	LintPassageInPassage LintKind = "passage-in-passage"

	// LintTruncated (warning): the positive or the negative was cut at a fixed
	// length, in characters or in words. The rule takes a length for a cut if at
	// least Linter.TruncatedShare of the source's distinct passages, and at least
	// five, have exactly that length and do not end in punctuation, and no more
	// passages than these are longer. A row counts if it has such a passage.
	LintTruncated LintKind = "truncated-text"
	// LintPadding (info; warning above Linter.PaddingShare): the negative looks
	// drawn at random. It shares no token with the query or the positive, except
	// tokens that occur in more than Linter.CommonShare of all passages. In addition,
	// with vectors, it is farther from its query than the shuffled level: the average
	// over a sample of queries and other queries' negatives. Without vectors, it
	// serves two or more queries of the source. The rule needs 20 distinct passages.
	LintPadding LintKind = "padding"

	// LintControl (warning): a control character other than tab, line feed and
	// carriage return.
	LintControl LintKind = "control-character"
	// LintReplacement (warning): U+FFFD, or bytes that are not UTF-8.
	LintReplacement LintKind = "replacement-character"
	// LintMojibake (warning): UTF-8 that was read as Latin-1 or Windows-1252. The
	// signs are Â or Ã followed by what such a reading makes of a byte 80 to BF,
	// and â€, â‚¬, â„¢, ï»¿ and ðŸ.
	LintMojibake LintKind = "mojibake"
	// LintHTML (warning): a tag of a common HTML element or a common entity.
	LintHTML LintKind = "html"

	// LintMissingVector (warning): Linter.Vectors has no vector for an ID, or the
	// row has some of its vectors but not all.
	LintMissingVector LintKind = "missing-vector"
	// LintVectorNotFinite (error): a vector with a NaN or infinite component.
	LintVectorNotFinite LintKind = "vector-not-finite"
	// LintVectorZero (error): a vector of zeros.
	LintVectorZero LintKind = "vector-zero"
	// LintVectorDimension (error): the vector's length is 0, or differs from
	// that of the first one read.
	LintVectorDimension LintKind = "vector-dimension"
	// LintNotUnit (info): the norm differs from 1 by more than 1e-3. This
	// package does not depend on it; other programs may.
	LintNotUnit LintKind = "not-unit"
	// LintConstantVector (warning): an earlier row has this vector for a text
	// with other tokens. An encoder that reads only the beginning of a text gives one
	// vector to all texts that begin alike.
	LintConstantVector LintKind = "constant-vector"
	// LintNotNearer (error): queries and documents look embedded with two encoders, or
	// IDs are mixed up. The rule compares each of up to 128 sampled triples with one of
	// another query. Fewer than Linter.NearerShare have a positive that is nearer to
	// the query than the other's positive. By chance it is half. The rule needs 30
	// sampled triples.
	LintNotNearer LintKind = "positives-not-nearer"
	// LintMixedNorms (warning): the norms of the sampled passages fall into two
	// groups, each of at least 5% and five, with none in a gap of a fifth or more
	// between them: vectors of two encoders, or only some normalized.
	LintMixedNorms LintKind = "mixed-norms"
	// LintMixedClusters (warning): two-means splits the sampled passages into two
	// groups, each of at least 5% and five, of mean cosine at least 0.1 within and at
	// most a tenth of that across. Vectors of two encoders look like this, but so may
	// two unrelated collections.
	LintMixedClusters LintKind = "mixed-clusters"
)

// lintSeverities has every rule, in the order of the reports.
var lintSeverities = []struct {
	kind     LintKind
	severity Severity
}{
	{LintMalformed, SeverityError}, {LintEmpty, SeverityError}, {LintNoPositives, SeverityError}, {LintNoNegatives, SeverityError},
	{LintNegativeIsPositive, SeverityError}, {LintNearIdentical, SeverityError},
	{LintFalseNegative, SeverityError}, {LintCollision, SeverityInfo},
	{LintDuplicate, SeverityWarning}, {LintShared, SeverityInfo}, {LintRepeated, SeverityWarning},
	{LintIDConflict, SeverityWarning}, {LintSameText, SeverityInfo},
	{LintQueryIsPositive, SeverityWarning}, {LintQueryInNegative, SeverityWarning}, {LintPassageInPassage, SeverityWarning},
	{LintTruncated, SeverityWarning}, {LintPadding, SeverityInfo},
	{LintControl, SeverityWarning}, {LintReplacement, SeverityWarning}, {LintMojibake, SeverityWarning}, {LintHTML, SeverityWarning},
	{LintMissingVector, SeverityWarning}, {LintVectorNotFinite, SeverityError}, {LintVectorZero, SeverityError},
	{LintVectorDimension, SeverityError}, {LintNotUnit, SeverityInfo}, {LintConstantVector, SeverityWarning},
	{LintNotNearer, SeverityError}, {LintMixedNorms, SeverityWarning}, {LintMixedClusters, SeverityWarning},
}
