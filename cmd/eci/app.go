package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"example.com/eci"
	"example.com/eci/cmd/eci/report"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes for scripts.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitCheck       = 3
	exitInterrupted = 130
	exitBrokenPipe  = 141
)

// app is one run of the command.
type app struct {
	out, err io.Writer
	output   output
	quiet    bool
	color    string
	// forceProgress shows progress without a terminal, for tests.
	forceProgress bool
	// columns is the width of the terminal, for tests; 0 means to ask the terminal.
	columns int
	// printed is what was printed last, for tests that check it in every form.
	printed *result
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return (&app{out: stdout, err: stderr}).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // nil would mean os.Args
	root.SetOut(a.out)
	root.SetErr(a.err)
	c, err := root.ExecuteContextC(ctx)
	return a.exit(ctx, c, err)
}

// usageError reports a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// checkError reports that a check requested by a flag failed. The result was printed.
type checkError struct{ message string }

func (e *checkError) Error() string { return e.message }

// exit prints an error once, with what to try, and returns the exit code.
func (a *app) exit(ctx context.Context, c *cobra.Command, err error) int {
	var bad *usageError
	var check *checkError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, syscall.EPIPE):
		// The reader, such as head, has seen enough. That is not an error of this
		// command.
		return exitBrokenPipe
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(a.err, "eci: interrupted; nothing half-written is left")
		return exitInterrupted
	case errors.As(err, &check):
		fmt.Fprintln(a.err, "eci: check failed: "+line(inFlags(check.message)))
		return exitCheck
	}
	code, message := exitError, strings.TrimPrefix(err.Error(), "eci: ")
	if errors.As(err, &bad) || errors.Is(err, eci.ErrSettings) || errors.Is(err, eci.ErrSourceName) {
		code = exitUsage
	}
	message = inFlags(message)
	fmt.Fprintln(a.err, "eci: "+line(message))
	if try := hint(c, err, message, code); try != "" {
		fmt.Fprintln(a.err, "try: "+try)
	}
	return code
}

// line makes a message one line that a terminal can show. It cuts the middle out of a
// message that is far too long.
func line(message string) string {
	const most, end = 4000, 500
	if r := []rune(message); len(r) > most {
		message = string(r[:most-end]) + " … " + string(r[len(r)-end:])
	}
	return report.Clean(message)
}

// hint says what to try if the error does not. A --skip is advised only for errors
// about a row of a source: nothing else can be left out.
func hint(c *cobra.Command, err error, message string, code int) string {
	var text *eci.TextError
	var at *eci.RowError
	row := errors.As(err, &at) && at.Source != "" && at.File != "" && at.Row > 0 // not one of a pool
	given := func(flag string) bool { return c.Flags().Changed(flag) }
	switch {
	case errors.As(err, &text) && row:
		return "--skip bad-vector leaves out the rows with such texts"
	case errors.Is(err, eci.ErrMissingVector) && !given("vectors") && !given("server"):
		return "--vectors DIR with queries.npy, queries.ids, corpus.npy and corpus.ids, or --server URL --model NAME"
	case errors.Is(err, eci.ErrMissingVector) && row && strings.Contains(message, "the row has no id"):
		return "--query-prefix or --document-prefix if the stored texts begin with a prompt; --skip missing-vector leaves such rows out"
	case errors.Is(err, eci.ErrMissingVector) && row:
		return "--skip missing-vector leaves such rows out"
	case errors.Is(err, eci.ErrMalformed) && row, errors.Is(err, eci.ErrMissingField) && row:
		if strings.Contains(message, " --") { // it says itself what to try
			return ""
		}
		return "--format NAME if the format was not recognized; --skip malformed leaves such rows out"
	case errors.Is(err, eci.ErrEmptyText) && row:
		return "--skip empty-text leaves such rows out"
	case errors.Is(err, eci.ErrNotFinite) && row, errors.Is(err, eci.ErrZeroVector) && row:
		return "--skip bad-vector leaves such rows out; eci lint shows how many there are"
	case errors.Is(err, eci.ErrEmbedder) && strings.Contains(err.Error(), "KeyVariable"):
		return "--key-env NAME names the environment variable with the API key, --key-env - sends none; --key-in-clear lets it go over http"
	case errors.Is(err, fs.ErrNotExist):
		return "check the path; eci rank --demo needs no files"
	case code == exitUsage && c.HasParent():
		return "eci help " + c.Name()
	case code == exitUsage:
		return "eci help, or eci help COMMAND"
	}
	return ""
}

// terminal reports whether a stream is a terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

const rootLong = `eci answers one question before any training is paid for: which source of hard
negatives should a dense retriever be trained on? It ranks sources by what
training on them would do to retrieval, forecast from frozen embeddings.

Exit codes: 0 fine, 1 error, 2 wrong usage, 3 a check failed that a flag asked
for, 130 interrupted. Results go to standard output, progress and errors to
standard error. Color and progress appear on a terminal only; NO_COLOR is
honored.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "eci",
		Short:         "Rank sources of hard negatives before any training",
		Long:          rootLong,
		Example:       "  eci rank --demo\n  eci rank --vectors vectors --html report.html bm25.jsonl dense.jsonl",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // a word that is no command has a message of ours
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(c, args)
			}
			return c.Help()
		},
	}
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if err := checkFlags(c); err != nil {
			return err
		}
		if a.color != "auto" && a.color != "always" && a.color != "never" {
			return usage("--color %s: it is auto, always or never", a.color)
		}
		return nil
	}
	root.SetFlagErrorFunc(flagError)
	// Alone, the command only says that a command is needed, which is no usage to show.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable .HasParent}}", 1))
	root.SetVersionTemplate("eci {{.Version}}\n")
	flags := root.PersistentFlags()
	a.output.register(flags)
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress")
	flags.StringVar(&a.color, "color", "auto", "color: auto, always or never")
	root.AddCommand(a.rank(), a.lint(), a.filter(), a.mix(), a.selecting(), a.explain(), a.agree(), a.convert())
	complete(root)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				of, _, err := root.Find(args)
				if err != nil || of == root && len(args) > 0 {
					return noCommand(root, args)
				}
				of.InitDefaultHelpFlag()
				return of.Help()
			}
		}
	}
	return root
}

// complete gives the shell the values of flags.
func complete(root *cobra.Command) {
	words := map[string][]string{
		"color":     {"auto", "always", "never"},
		"format":    formatNames,
		"to":        writtenFormats,
		"protocol":  slices.Sorted(maps.Keys(protocols)),
		"allow":     allowances,
		"skip":      slices.Sorted(maps.Keys(policies)),
		"severity":  {"error", "warning", "info"},
		"tokenizer": {"words", "2-grams", "3-grams", "4-grams"},
	}
	for _, c := range append(root.Commands(), root) {
		for flag, choice := range words {
			if c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil {
				// It fails only for a flag that does not exist or is registered twice.
				_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(choice, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
}
