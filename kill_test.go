package eci

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const killVariable = "ECI_KILL_CHILD"

// loggingEncoder writes down what it is sent. The entry of a call that came back,
// and whose vectors the caller had the time to keep, is followed by a mark.
type loggingEncoder struct {
	*namedEncoder
	log     *os.File
	pending bool
}

// call is a line of the log: the texts of a call, or none for the mark.
type sentTexts struct {
	Role  string   `json:"role"`
	Texts []string `json:"texts"`
}

func (e *loggingEncoder) write(call sentTexts) error {
	raw, err := json.Marshal(call)
	if err == nil {
		_, err = e.log.Write(append(raw, '\n')) // one write: whole or not at all
	}
	return err
}

// kept says that the vectors of the last call are where they should be.
func (e *loggingEncoder) kept() error {
	if !e.pending {
		return nil
	}
	e.pending = false
	return e.write(sentTexts{})
}

func (e *loggingEncoder) call(role string, texts []string) ([][]float32, error) {
	if err := e.kept(); err != nil {
		return nil, err
	}
	if err := e.write(sentTexts{role, texts}); err != nil {
		return nil, err
	}
	time.Sleep(2 * time.Millisecond) // so that a kill may come here, too
	e.pending = true
	return e.embed(role, texts), nil
}

func (e *loggingEncoder) EmbedDocuments(_ context.Context, texts []string) ([][]float32, error) {
	return e.call("document", texts)
}

func (e *loggingEncoder) EmbedQueries(_ context.Context, texts []string) ([][]float32, error) {
	return e.call("query", texts)
}

// killedRun ranks two sources in a directory, which holds the log, the checkpoint
// and, if it is asked for, a disk cache of its own, and writes the result there.
func killedRun(dir string, ownCache bool) error {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	encoder := &loggingEncoder{namedEncoder: &namedEncoder{&hashEncoder{components: 24}, "x"}, log: log}
	sem := &Sem{Embedder: encoder, Checkpoint: filepath.Join(dir, "checkpoint"), BatchSize: 32, CacheBytes: 20000}
	if ownCache {
		cache, err := OpenDiskCache(DiskCacheConfig{Embedder: encoder, Dir: filepath.Join(dir, "cache")})
		if err != nil {
			return err
		}
		defer cache.Close()
		sem.Embedder = cache
	}
	fmt.Println("\nstarted")
	ranking, err := Rank(context.Background(), sem, textSources(200)...)
	if err != nil {
		return err
	}
	if err := encoder.kept(); err != nil {
		return err
	}
	ranking.Embedded = 0 // depends on how often it was killed
	raw, err := ranking.MarshalJSON()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "result"), raw, 0o600)
}

// TestKilledChild is the process that is killed.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv(killVariable)
	if dir == "" {
		t.Skip("runs in a process of its own only")
	}
	if err := killedRun(dir, filepath.Base(dir) == "own"); err != nil {
		t.Fatal(err)
	}
}

// TestKilledRunsResume kills a run with an embedder, a disk cache and a checkpoint
// at a random moment. Resumed, it ends in the same bits, and of the texts whose
// vectors had come back none is sent again; those of the call that was under way
// are. ECI_KILLS sets how often.
func TestKilledRunsResume(t *testing.T) {
	kills := 3
	if value := os.Getenv("ECI_KILLS"); value != "" {
		var err error
		if kills, err = strconv.Atoi(value); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// start returns once the run has begun; all it says is read before it is waited
	// for.
	start := func(dir string) (*exec.Cmd, func() string) {
		t.Helper()
		command := exec.Command(self, "-test.run", "^TestKilledChild$")
		command.Env = append(os.Environ(), killVariable+"="+dir)
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		command.Stderr = command.Stdout
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		var said bytes.Buffer
		for line := ""; err == nil && line != "started\n"; said.WriteString(line) {
			line, err = lines.ReadString('\n')
		}
		read := make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(&said, lines)
		}()
		return command, func() string { <-read; return said.String() }
	}
	finish := func(dir string) (string, time.Duration) {
		t.Helper()
		begin := time.Now()
		command, said := start(dir)
		began := time.Since(begin)
		text := said()
		if err := command.Wait(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "result"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw), time.Since(begin) - began
	}
	directory := func(name string) string {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	want, whole := finish(directory("own"))
	early, under, late := 0, 0, 0
	for kill := range kills {
		dir := directory([]string{"own", "checkpoint"}[kill%2])
		for again := range 1 + kill%3 { // some are killed several times
			command, said := start(dir)
			time.Sleep(time.Duration(rand.Float64() * float64(whole) / float64(1+again)))
			if err := command.Process.Kill(); err != nil && again == 0 {
				t.Log("it had ended:", err)
			}
			said()
			command.Wait()
		}
		switch _, err := os.Stat(filepath.Join(dir, "result")); {
		case err == nil:
			late++
		default:
			if files, _ := filepath.Glob(filepath.Join(dir, "checkpoint", "*.eci")); len(files) == 0 {
				early++
			} else {
				under++
			}
		}
		got, _ := finish(dir)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("kill %d: the resumed run differs:\n%s", kill, diff)
		}
		checkSentOnce(t, filepath.Join(dir, "log"))
		if left, _ := filepath.Glob(filepath.Join(dir, "checkpoint", partialPrefix+"*")); len(left) > 2 {
			t.Errorf("kill %d: left behind %q", kill, left)
		}
	}
	t.Logf("%d runs killed: %d before the calibration was kept, %d after it, %d had ended", kills, early, under, late)
}

// checkSentOnce fails for a text that was sent again after its vector was kept.
func checkSentOnce(t *testing.T, log string) {
	t.Helper()
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	sent, kept := make(map[string]bool), make(map[string]bool)
	var last sentTexts
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var call sentTexts
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			t.Fatal(err)
		}
		if call.Texts == nil {
			for _, text := range last.Texts {
				kept[last.Role+" "+text] = true
			}
		}
		for _, text := range call.Texts {
			if kept[call.Role+" "+text] {
				t.Errorf("%s %q was sent again", call.Role, text)
			}
			sent[call.Role+" "+text] = true
		}
		last = call
	}
	if len(sent) != 200+200+2*400 || len(kept) == 0 {
		t.Errorf("%d texts were sent and %d marked as kept; want all", len(sent), len(kept))
	}
}
