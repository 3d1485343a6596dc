// Command eci ranks sources of hard negatives for dense retrievers before any
// training, and says why.
//
//	eci rank --demo
//	eci rank --vectors DIR --html report.html bm25.jsonl dense.jsonl llm.jsonl
//
// "eci help" lists the commands. docs/cli.md shows each with its output.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	if os.Getenv("GOGC") == "" {
		// What is live are arrays of numbers, which cost the collector no time.
		debug.SetGCPercent(50)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default applies again, so that a second one kills.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
