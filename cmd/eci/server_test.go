package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServerThatIsFussy: a server that takes three texts at a time and cannot embed
// one of them.
func TestServerThatIsFussy(t *testing.T) {
	bad := func(text string) bool { return strings.Contains(text, "copper") }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Input []string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		switch {
		case len(body.Input) > 3:
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"error":"batch size %d > maximum allowed batch size 3"}`, len(body.Input))
			return
		case slices.ContainsFunc(body.Input, bad):
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"error":"json: unsupported value: NaN"}`)
			return
		}
		var out []string
		for i, text := range body.Input {
			out = append(out, fmt.Sprintf(`{"index":%d,"embedding":[%d,%d,%d]}`, i, 1+len(text)%7, 1+len(text)%5, 1+int(text[0])%11))
		}
		fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(out, ","))
	}))
	defer server.Close()
	var rows strings.Builder
	for i, metal := range []string{"iron", "copper", "tin", "zinc", "lead"} {
		fmt.Fprintf(&rows, "{\"query\":\"what melts %s\",\"positive\":\"%s melts at %d00 degrees\",\"negative\":\"%s is mined\"}\n", metal, metal, i+3, metal[1:])
	}
	file := filepath.Join(t.TempDir(), "metals.jsonl")
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"rank", "--server", server.URL, "--model", "m", "--cache", "none", "--key-env", "-", file}
	code, _, stderr := eciRun(t.Context(), args...)
	if code != exitError || !strings.Contains(stderr, "metals.jsonl, row 2: ") || !strings.Contains(stderr, "what melts copper") || !strings.Contains(stderr, "--skip bad-vector") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	code, out, stderr := eciRun(t.Context(), append(args, "--skip", "bad-vector", "--batch", "64")...)
	if code != 0 || !strings.Contains(out, "1 rows left out: bad vector") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
}
