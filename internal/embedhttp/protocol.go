package embedhttp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/jsonrow"
	"example.com/eci/internal/quote"
)

// Protocol is the language of an embedding server.
type Protocol int

// The protocols, in the order of the root package.
const (
	OpenAI Protocol = iota
	Ollama
	TextEmbeddingsInference
)

// String returns the protocol's name.
func (p Protocol) String() string {
	if !p.known() {
		return "protocol " + strconv.Itoa(int(p))
	}
	return wires[p].name
}

func (p Protocol) known() bool { return p >= 0 && int(p) < len(wires) }

// wire is how a protocol looks on the wire.
type wire struct {
	name, path string
	// The only key that is sent without being named, and the host that it is sent
	// to, over https.
	keyVariable, keyOwner string

	texts     int // in a request by default
	truncates bool
	request   func(c *Config, texts []string) any
	list      string // the field of an answer with the list of vectors; "": it is the answer
	indexed   bool   // its elements are objects with index and embedding
}

var wires = [...]wire{
	OpenAI: {
		name: "OpenAI", path: "/v1/embeddings", keyVariable: "OPENAI_API_KEY", keyOwner: "api.openai.com", texts: 64,
		list: "data", indexed: true,
		request: func(c *Config, texts []string) any {
			return struct {
				Model      string   `json:"model"`
				Input      []string `json:"input"`
				Dimensions int      `json:"dimensions,omitempty"`
			}{c.Model, texts, c.Dimensions}
		},
	},
	Ollama: {
		name: "Ollama", path: "/api/embed", texts: 64, truncates: true, list: "embeddings",
		request: func(c *Config, texts []string) any {
			return struct {
				Model      string   `json:"model"`
				Input      []string `json:"input"`
				Truncate   bool     `json:"truncate"` // left out, it would mean true
				Dimensions int      `json:"dimensions,omitempty"`
			}{c.Model, texts, c.Truncate, c.Dimensions}
		},
	},
	TextEmbeddingsInference: {
		name: "Text Embeddings Inference", path: "/embed", texts: 32, truncates: true,
		request: func(c *Config, texts []string) any {
			return struct {
				Inputs     []string `json:"inputs"`
				Truncate   bool     `json:"truncate"`
				Dimensions int      `json:"dimensions,omitempty"`
			}{texts, c.Truncate, c.Dimensions}
		},
	},
}

func (p Protocol) wire() *wire {
	if !p.known() {
		p = OpenAI // refused elsewhere
	}
	return &wires[p]
}

// decode reads an answer: want vectors in the order of their texts. Beside the
// vectors, of at most most components each, it takes a few bytes of memory,
// whatever the answer holds.
func (w *wire) decode(body []byte, want, most int) ([][]float32, error) {
	list, err := w.find(body)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, want)
	count, without := 0, 0
	err = jsonrow.EachElement(list, func(k int, raw []byte) error {
		if count = k; k > want {
			return nil // only counted
		}
		at := k - 1
		if w.indexed {
			index, vector, err := w.indexedVector(raw)
			switch {
			case err != nil:
				return err
			case index == nil:
				without++
			default:
				// What does not fit an int is no position either.
				if at, err = strconv.Atoi(string(index[:min(len(index), 20)])); err != nil {
					at = -1
				}
			}
			switch {
			case without > 0 && without < k:
				return fmt.Errorf("%w: some vectors have an index, others none", fault.EmbedderCount)
			case at < 0 || at >= want:
				return fmt.Errorf("%w: index %.20s for %d texts", fault.EmbedderCount, index, want)
			case vectors[at] != nil:
				return fmt.Errorf("%w: two have index %d", fault.EmbedderCount, at)
			}
			raw = vector
		}
		vectors[at], err = numbers(raw, most)
		return err
	})
	if err == nil && count != want {
		err = fmt.Errorf("%w: %d for %d texts", fault.EmbedderCount, count, want)
	}
	if err != nil {
		return nil, err
	}
	return vectors, nil
}

// find validates an answer and returns its list of vectors, an empty one if it
// has none.
func (w *wire) find(body []byte) ([]byte, error) {
	start := jsonrow.SkipSpace(body, 0)
	end, err := jsonrow.SkipValue(body, start, 0)
	if rest := jsonrow.SkipSpace(body, end); err == nil && rest < len(body) {
		err = jsonrow.SyntaxError(body, rest, "the end")
	}
	if err != nil {
		// Not JSON, but what some servers write all the same. "nan" begins like null.
		for _, word := range []string{"NaN", "Infinity", "nan", "inf"} {
			if bytes.HasPrefix(body[end:], []byte(word)) || word == "nan" && end > 0 && bytes.HasPrefix(body[end-1:], []byte(word)) {
				return nil, fmt.Errorf("%w: %s", fault.NotFinite, word)
			}
		}
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	list := body[start:end]
	if w.list != "" {
		if list[0] != '{' {
			return nil, fmt.Errorf("it is no JSON object with the field %q", w.list)
		}
		object := list
		list = []byte("[]")
		err = jsonrow.EachField(object, func(name, value []byte) error {
			if string(name) == w.list && value[0] != 'n' {
				list = value
			}
			return nil
		})
	}
	if list[0] != '[' {
		return nil, errors.New("where the vectors should be there is no list")
	}
	return list, err
}

// indexedVector returns the values of an object's index, nil if it has none, and
// embedding, an empty list if it has none.
func (*wire) indexedVector(object []byte) (index, vector []byte, err error) {
	if object[0] != '{' {
		return nil, nil, errors.New("where an object with index and embedding should be there is none")
	}
	vector = []byte("[]")
	err = jsonrow.EachField(object, func(name, value []byte) error {
		switch string(name) {
		case "index":
			if index = value; value[0] == 'n' {
				index = nil
			}
		case "embedding":
			vector = value
		}
		return nil
	})
	return index, vector, err
}

// numbers parses a validated JSON list of numbers, each rounded to
// float32 once. It refuses null, which encoding/json would leave 0 and is what
// some servers write for NaN.
func numbers(list []byte, most int) ([]float32, error) {
	no := errors.New("where a vector should be there is no array of numbers")
	if list[0] != '[' {
		return nil, no
	}
	components := bytes.Count(list, []byte{','}) + 1
	if components > most {
		return nil, fmt.Errorf("%w: %d components, more than %d", fault.Dimension, components, most)
	}
	vector := make([]float32, 0, components)
	err := jsonrow.EachElement(list, func(k int, number []byte) error {
		const longest = 400 // bytes, more than any float64 needs
		if len(number) > longest {
			return fmt.Errorf("%w: component %d has %d bytes", no, k, len(number))
		}
		x, err := strconv.ParseFloat(string(number), 32)
		switch {
		case string(number) == "null", string(number) == `"NaN"`, errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%w: component %d is %s", fault.NotFinite, k, quote.Excerpt(string(number)))
		case err != nil:
			return fmt.Errorf("%w: component %d", no, k) // not its text: it may hold a part of the key
		}
		vector = append(vector, float32(x))
		return nil
	})
	return vector, err
}
