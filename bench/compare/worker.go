//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// request is one piece of work, one line of JSON; both sides know all kinds.
type request struct {
	Kind      string  `json:"kind"` // info, kernel, pipeline, score, rank
	Dir       string  `json:"dir,omitempty"`
	Dimension int     `json:"dimension,omitempty"`
	Triples   int     `json:"triples,omitempty"`
	Pool      int     `json:"pool,omitempty"` // distinct triples
	Threads   int     `json:"threads,omitempty"`
	Scales    scales  `json:"scales"`
	Checks    bool    `json:"checks,omitempty"`
	Variant   string  `json:"variant,omitempty"`
	Sources   int     `json:"sources,omitempty"`
	Groups    int     `json:"groups,omitempty"`
	Epsilon2  float64 `json:"epsilon2,omitempty"`
}

// scales are a frozen calibration.
type scales struct {
	Margin   float64 `json:"margin"`
	Midpoint float64 `json:"midpoint"`
	Scale    float64 `json:"scale"`
}

// reply holds the time of the work alone, without reading the generated data, in
// seconds, and a number both sides must agree on.
type reply struct {
	Wall  float64 `json:"wall"`
	CPU   float64 `json:"cpu"`
	Value float64 `json:"value"`
	Text  string  `json:"text"`
	Error string  `json:"error"`
	// HighWater is the largest resident set (VmHWM) and Anonymous the largest part
	// of it that is not of files, sampled; in bytes.
	HighWater int64 `json:"high_water"`
	Anonymous int64 `json:"anonymous"`
}

type worker struct {
	key     string
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	info    string
}

func start(ctx context.Context, env []string, name string, args ...string) (*worker, error) {
	w := &worker{command: exec.CommandContext(ctx, name, args...)}
	w.command.Env = append(os.Environ(), env...)
	w.command.Stderr = os.Stderr
	var err error
	if w.in, err = w.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	w.out.Buffer(nil, 1<<20)
	if err := w.command.Start(); err != nil {
		return nil, err
	}
	r, err := w.ask(request{Kind: "info"})
	w.info = r.Text
	return w, err
}

func (w *worker) ask(q request) (r reply, err error) {
	if err := json.NewEncoder(w.in).Encode(q); err != nil {
		return r, err
	}
	if !w.out.Scan() {
		return r, errors.Join(errors.New("the worker ended"), w.out.Err())
	}
	if err := json.Unmarshal(w.out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("%w: %s", err, w.out.Bytes())
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

func (w *worker) close() {
	w.in.Close()
	w.command.Wait()
}

// serveRequests is the Go side.
func serveRequests(in io.Reader, out io.Writer) error {
	var s session
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var q request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if q.Threads > 0 {
			runtime.GOMAXPROCS(q.Threads)
		}
		r, err := s.answer(q)
		if err != nil {
			r.Error = err.Error()
		}
		if err := json.NewEncoder(out).Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

// timed measures a piece of work, after a garbage collection.
func timed(work func() error) (r reply, err error) {
	debug.FreeOSMemory()
	var peak, stop atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for stop.Load() == 0 {
			peak.Store(max(peak.Load(), status("RssAnon")))
			time.Sleep(20 * time.Millisecond)
		}
	}()
	wall, cpu := time.Now(), processorTime()
	err = work()
	r.Wall, r.CPU = time.Since(wall).Seconds(), processorTime()-cpu
	stop.Store(1)
	<-done
	r.HighWater, r.Anonymous = status("VmHWM"), peak.Load()
	return r, err
}

// processorTime is the time this process has run on any core.
func processorTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// status reads a size from the status of this process, in bytes.
func status(name string) int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kB << 10
		}
	}
	return 0
}
