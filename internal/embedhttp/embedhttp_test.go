package embedhttp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/eci/internal/cosine"
	"example.com/eci/internal/fault"
)

// TestServerKeyGoes: who is sent which key, without a connection.
func TestServerKeyGoes(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "openai's")
	t.Setenv("OTHER_KEY", "other's")
	t.Setenv("sk_key_in_place_of_its_name", "")
	for _, test := range []struct {
		reason string
		server Config
		key    string
		says   string // an error
	}{
		{"its owner, with the protocol's path", Config{URL: "https://api.openai.com"}, "openai's", ""},
		{"its owner, as people write it", Config{URL: "https://API.OpenAI.com/v1"}, "openai's", ""},
		{"its owner without encryption", Config{URL: "http://api.openai.com"}, "", ""},
		{"another server that speaks the protocol", Config{URL: "https://example.com"}, "", ""},
		{"a server of one's own", Config{URL: "http://127.0.0.1:8080"}, "", ""},
		{"a name that ends like the owner's", Config{URL: "https://evil-api.openai.com.example.com"}, "", ""},
		{"another port of the owner", Config{URL: "https://api.openai.com:8443"}, "", ""},
		{"another protocol", Config{URL: "https://api.openai.com", Protocol: Ollama}, "", ""},
		{"none wanted", Config{URL: "https://api.openai.com", KeyVariable: "-", NoKey: true}, "", ""},
		{"asked for", Config{URL: "https://example.com", KeyVariable: "OPENAI_API_KEY"}, "openai's", ""},
		{"another one for the owner", Config{URL: "https://api.openai.com", KeyVariable: "OTHER_KEY"}, "other's", ""},
		{"asked for, in clear to this machine", Config{URL: "http://localhost:8080", KeyVariable: "OTHER_KEY"}, "other's", ""},
		{"the same by number", Config{URL: "http://127.0.0.2:8080", KeyVariable: "OTHER_KEY"}, "other's", ""},
		{"the same by the other number", Config{URL: "http://[::1]:8080", KeyVariable: "OTHER_KEY"}, "other's", ""},
		{"asked for, in clear to anyone on the way", Config{URL: "http://10.0.0.7:8080", KeyVariable: "OTHER_KEY"}, "", "KeyInClear"},
		{"a name that only begins like this machine's", Config{URL: "http://localhost.example.com", KeyVariable: "OTHER_KEY"}, "", "in clear"},
		{"asked for twice", Config{URL: "http://10.0.0.7:8080", KeyVariable: "OTHER_KEY", KeyInClear: true}, "other's", ""},
		{"permission without a name", Config{URL: "http://api.openai.com", KeyInClear: true}, "", ""},
		{"the key itself in place of the variable's name", Config{URL: "https://example.com", KeyVariable: "sk_key_in_place_of_its_name"}, "", "its name, not the key"},
	} {
		test.server.Model = "m"
		c, err := new(State).Plan(test.server, nil)
		switch {
		case test.says != "":
			if !errors.Is(err, fault.Settings) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "other's") || strings.Contains(err.Error(), "sk_key") {
				t.Errorf("%s: error %v, want one that says %q and no key", test.reason, err, test.says)
			}
		case err != nil:
			t.Errorf("%s: %v", test.reason, err)
		case c.key.Text() != test.key:
			t.Errorf("%s: key %q, want %q", test.reason, c.key.Text(), test.key)
		}
	}
}

// vectorsByJSON is the twin of wire.decode by encoding/json: vectors in the order
// of an answer that has all of them.
func vectorsByJSON(p Protocol, body []byte) ([][]float32, error) {
	list := json.RawMessage(body)
	if name := p.wire().list; name != "" {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, err
		}
		list = object[name]
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(list, &elements); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(elements))
	for i, raw := range elements {
		at := i
		if p.wire().indexed {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(raw, &object); err != nil {
				return nil, err
			}
			if index, ok := object["index"]; ok && string(index) != "null" {
				if err := json.Unmarshal(index, &at); err != nil {
					return nil, err
				}
			}
			raw = object["embedding"]
		}
		if err := json.Unmarshal(raw, &vectors[at]); err != nil {
			return nil, err
		}
	}
	return vectors, nil
}

// FuzzServerAnswer: whatever a server answers, vectors are good and those that
// encoding/json reads, or there is an error.
func FuzzServerAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"object":"list","data":[{"object":"embedding","index":1,"embedding":[0.1,2,3]},{"object":"embedding","index":0,"embedding":[-1,2e-3,0]}],"usage":{"total_tokens":3}}`, `{"embeddings":[[1,2],[3,4]]}`, `[[1,2],[3,4]]`, `[[1,NaN]]`, `[[1,nan]]`, `[[nul`, `{"data":[{"index":9}]}`,
		`[[1e39,1],[ ]]`, `[["NaN"],[,]]`, `<html>`, ``, `{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[ -2 ]}]}`,
		`{"data":1,"d\u0061ta":[{"embedding":[1],"index":null},{"embedding":[0.1],"embedding":[2e-3]}]}`, `{"data":{}}`, `[[1],{}]`, `{}`, `{"embeddings":null}`,
	} {
		for protocol := range wires {
			f.Add([]byte(seed), uint8(protocol))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, protocol uint8) {
		p := Protocol(protocol % 3)
		vectors, err := p.wire().decode(body, 2, 1<<15)
		c := &Call{State: new(State)}
		if err == nil {
			err = c.accept(vectors)
		}
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if len(vectors) != 2 || len(vectors[0]) == 0 || len(vectors[0]) != len(vectors[1]) {
			t.Errorf("%q gave %v", body, vectors)
		}
		for _, v := range vectors {
			if _, err := cosine.InverseNorm(v); err != nil {
				t.Errorf("%q gave %v", body, vectors)
			}
		}
		if want, err := vectorsByJSON(p, body); err != nil || !cmp.Equal(want, vectors) {
			t.Errorf("%q gave %v, encoding/json reads %v, %v", body, vectors, want, err)
		}
	})
}

// TestServerAnswerMemory: an answer as long as may be takes no more than its own
// size and that of its vectors, whatever it holds.
func TestServerAnswerMemory(t *testing.T) {
	const size = 4 << 20
	fill := func(begin, one, end string) []byte {
		return []byte(begin + strings.Repeat(one+",", size/(len(one)+1)) + one + end)
	}
	for _, test := range []struct {
		reason   string
		protocol Protocol
		body     []byte
	}{
		{"objects without fields", OpenAI, fill(`{"data":[`, `{}`, `]}`)},
		{"objects without fields in place of vectors", Ollama, fill(`{"embeddings":[`, `{}`, `]}`)},
		{"objects without fields in place of all", TextEmbeddingsInference, fill(`[`, `{}`, `]`)},
		{"lists without numbers", TextEmbeddingsInference, fill(`[`, `[]`, `]`)},
		{"lists of one number", Ollama, fill(`{"embeddings":[`, `[1]`, `]}`)},
		{"one vector of many numbers", OpenAI, fill(`{"data":[{"embedding":[`, `1`, `]}]}`)},
		{"one vector of many lists", OpenAI, fill(`{"data":[{"embedding":[`, `[]`, `]}]}`)},
		{"many fields", OpenAI, fill(`{`, `"a":0`, `}`)},
		{"many fields with escapes", OpenAI, fill(`{`, `"a":0`, `}`)},
		{"the field of the vectors, again and again", OpenAI, fill(`{`, `"data":[{"embedding":[1]},{"embedding":[2]}]`, `}`)},
		{"many fields beside a vector", OpenAI, fill(`{"data":[{"embedding":[1],`, `"a":0`, `}]}`)},
		{"lists in lists", OpenAI, []byte(strings.Repeat("[", size))},
		{"one string", OpenAI, fill(`{"data":"`, `x`, `"}`)},
		{"one number", TextEmbeddingsInference, []byte("[[" + strings.Repeat("1", size) + "],[1]]")},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		vectors, err := test.protocol.wire().decode(test.body, 2, 1<<15)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > size {
			t.Errorf("%s: %d bytes for an answer of %d", test.reason, taken, len(test.body))
		}
		if (err == nil) != (test.reason == "the field of the vectors, again and again") {
			t.Errorf("%s: %v, %v", test.reason, vectors, err)
		} else if err != nil && len(err.Error()) > 200 {
			t.Errorf("%s: an error of %d bytes", test.reason, len(err.Error()))
		}
	}
}

// TestServerAnswers has answers in the shape that each server documents, with
// all that is not read.
func TestServerAnswers(t *testing.T) {
	want := [][]float32{{0.25, -1}, {3e-05, 0.1}}
	for _, test := range []struct {
		server   string
		protocol Protocol
		body     string
	}{
		{"OpenAI", OpenAI, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.25,-1.0]},{"object":"embedding","index":1,"embedding":[3e-05,0.1]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}`},
		{"vLLM", OpenAI, `{"id":"embd-1","object":"list","created":1747000000,"model":"m","data":[{"index":0,"object":"embedding","embedding":[0.25,-1.0]},{"index":1,"object":"embedding","embedding":[3e-05,0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8,"completion_tokens":0,"prompt_tokens_details":null}}`},
		{"llama.cpp", OpenAI, `{"model":"m","object":"list","usage":{"prompt_tokens":8,"total_tokens":8},"data":[{"embedding":[0.25,-1.0],"index":0,"object":"embedding"},{"embedding":[3e-05,0.10000000149011612],"index":1,"object":"embedding"}]}`},
		{"LM Studio", OpenAI, "{\n  \"object\": \"list\",\n  \"data\": [\n    {\"object\": \"embedding\", \"embedding\": [\n 0.25,\n -1 ], \"index\": 0},\n {\"object\": \"embedding\", \"embedding\": [3e-05, 0.1], \"index\": 1}\n  ],\n  \"model\": \"m\",\n  \"usage\": {\"prompt_tokens\": 0, \"total_tokens\": 0}\n}\n"},
		{"a server that leaves out the indices", OpenAI, `{"data":[{"embedding":[0.25,-1]},{"embedding":[3e-05,0.1]}]}`},
		{"a server that answers in another order", OpenAI, `{"data":[{"index":1,"embedding":[3e-05,0.1]},{"index":0,"embedding":[0.25,-1]}]}`},
		{"Ollama", Ollama, `{"model":"all-minilm","embeddings":[[0.25,-1],[0.00003,0.1]],"total_duration":14143917,"load_duration":1019500,"prompt_eval_count":8}`},
		{"Text Embeddings Inference", TextEmbeddingsInference, `[[0.25,-1.0],[0.00003,0.1]]`},
	} {
		got, err := test.protocol.wire().decode([]byte(test.body), 2, 1<<15)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.server, err, diff)
		}
	}
}

// TestServersDocument compares the table in docs/servers.md with the code.
func TestServersDocument(t *testing.T) {
	raw, err := os.ReadFile("../../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	for p, name := range []string{"`OpenAI` (default)", "`Ollama`", "`TextEmbeddingsInference`"} {
		w := Protocol(p).wire()
		key := "none"
		if w.keyOwner != "" {
			key = fmt.Sprintf("`%s`, to `https://%s`", w.keyVariable, w.keyOwner)
		}
		row := regexp.MustCompile(fmt.Sprintf("(?m)^\\| %s \\| [^|]+ \\| `%s` \\| %d \\| %s \\|", regexp.QuoteMeta(name), w.path, w.texts, key))
		if !row.Match(raw) {
			t.Errorf("no row %s", row)
		}
	}
}
