package main

import (
	"regexp"
	"strings"

	"example.com/eci"
)

// fieldWords replace the fields in a message of the library with the words of the
// command: the flag that sets the field, or nothing if there is none. The first match
// at a position wins, so whole clauses come before the fields in them.
var fieldWords = strings.NewReplacer(
	"Lookahead.Pool, --pool", "--pool",
	"Lookahead.Relevant, --qrels", "--qrels",
	"Lookahead.Pool", "--pool",
	"Lookahead.Relevant", "--qrels",
	"positive number, 0 for 512 or Unlimited", "positive number, or 0 for all",
	"settings: Budget ", "settings: --budget ",
	"smallest source or Unlimited", "smallest source or -1 for all",
	"settings: Dimensions ", "settings: --dimensions ",
	"or set Sem.Budget", "or give --budget",
	"settings: Groups ", "settings: --groups ",
	"fewer Groups", "fewer --groups",
	"a smaller Budget or fewer sources", "a smaller --budget or fewer sources",
	"set Sem.ReleaseMatrix if no mixture is needed, ", "",
	"set Sem.Dimensions for an encoder whose vectors can be cut, or raise it", "or give --dimensions for an encoder whose vectors can be cut",
	"Sem.Dimensions", "--dimensions",
	"Sem.MemoryBytes allows", "the limit is",
	"give a Sem.Lexicon counted over fewer documents, another Tokenizer, or raise it", "rank fewer sources at once",
	"an encoder of fewer dimensions, or raise it", "an encoder of fewer dimensions",
	"set Sem.Vectors or Sem.Embedder, or let the triples carry vectors", "give --vectors or --server, or rows with vectors",
	"Sem.Vectors or Sem.Embedder", "--vectors or --server",
	"or give OpenVectors the texts of its vectors", "or --vector-texts DIR with the texts of the vectors",
	"vectors are opened with OpenVectors", "--vectors takes the folder that it is in",
	"open them with OpenVectors", "--vectors takes the folder with them",
	"Sem.Checkpoint", "--checkpoint",
	"Sem.Calibrate over all sources", "eci rank",
	", or raise Files.TextBytes", "",
	", which must fit in memory: raise Files.TextBytes", ", which must fit in memory: split the file",
	", or raise Spool.MaxBytes", "",
	"set Output.Negatives", "--width N",
	"Files.Corpus", "--corpus",
	"Files.Queries", "--queries",
	": eci: Files.BEIR: ", ": ", // from a --target
	"Files.BEIR", "--beir",
	"Files.Qrels", "--qrels",
	"set Files.Format to FormatTriplesTSV", "--format triples-tsv",
	"set Files.Format to FormatTripleIDsTSV", "--format triple-ids-tsv",
	"set Files.Format to FormatTriplet", "--format triplet",
	"set Files.Format to FormatArrays", "--format arrays",
	"set Files.Format to FormatRun", "--format trec-run",
	"set Files.Format", "--format NAME",
	"set Files.Fields to the names of query, positive and negative", "name them: --query-field NAME, --positive-field NAME and --negative-field NAME",
	"set Files.Fields to the names of query, document and label, the label as Negative", "name them: --query-field NAME, --positive-field NAME and --negative-field LABEL",
	"Set Files.Fields to their names, the label as Negative", "Name them: --query-field NAME, --positive-field NAME and --negative-field LABEL",
	"set Files.Fields to their names", "name them: --query-field NAME, --positive-field NAME and --negative-field NAME",
	"Set Files.Fields to their names", "Name them: --query-field NAME, --positive-field NAME and --negative-field NAME",
	"set Files.Fields.Negative to negative_ctxs", "give --negative-field negative_ctxs",
	"Files.Fields to their names", "--query-field, --positive-field and --negative-field to their names",
	"Server.BatchBytes allows", "a request holds at most",
	"; shorten it or raise the limit", "; shorten it",
	", Server.Dimensions asks for", ", --dimensions asks for",
	"nothing within Server.Timeout", "nothing within the time allowed",
	"raise Timeout, lower BatchTexts or Concurrency", "lower --batch or --concurrency",
	"or lower BatchTexts", "or lower --batch",
	"Server.Model, Dimensions and BatchTexts", "--model, --dimensions and --batch",
	"Dimensions, BatchTexts, BatchBytes, Concurrency, Timeout or Retries", "--dimensions, --batch or --concurrency",
	"check Server.Dimensions", "check --dimensions",
	"set KeyVariable to NoKey, or set KeyInClear", "--key-env -, or --key-in-clear",
	"in Server.KeyVariable", "with --key-env",
	"its name in KeyVariable", "its name in --key-env",
	"KeyVariable is its name", "--key-env takes its name",
	"KeyVariable to NoKey", "--key-env to -",
	"import example.com/eci/formats and set Files.Decoders to formats.Decoders()", "unpack it first",
	"Server.URL, Protocol", "--server, --protocol",
	"Server.URL", "--server",
	"Server.Protocol", "--protocol",
	"Server.Rate or Concurrency", "--rate or --concurrency",
	"Server.Truncate", "--truncate",
	"has no word for Truncate", "has no word for --truncate",
	"settings: Server: Rate ", "settings: --rate ",
	"and there is no Embedder", "and there is no --server",
	" or another Identity", ", with --cache",
	"the ids of Relevant, Queries and Pool", "the ids of the target's judgments, queries and corpus",
)

var decoders = regexp.MustCompile(`, or set Files\.Decoders\["[^"]*"\]`)

// inFlags returns a message in the words of the command.
func inFlags(message string) string {
	return fieldWords.Replace(decoders.ReplaceAllString(message, ""))
}

// speakFlags rewrites the messages of a ranking in the words of the command.
func speakFlags(r *eci.Ranking) {
	lists := [][]string{r.Notes}
	if r.Lookahead != nil {
		lists = append(lists, r.Lookahead.Doubts, r.Lookahead.Notes)
	}
	if r.Verdict != nil {
		r.Verdict.Sentence = inFlags(r.Verdict.Sentence)
		lists = append(lists, r.Verdict.Warnings)
	}
	for _, list := range lists {
		for i := range list {
			list[i] = inFlags(list[i])
		}
	}
}
