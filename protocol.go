package eci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Protocol is the language of an embedding server.
// It is a value, which goroutines may share.
type Protocol int

const (
	// OpenAI is POST /v1/embeddings of OpenAI, vLLM, llama.cpp, LM Studio and
	// many others.
	OpenAI Protocol = iota
	// Ollama is POST /api/embed.
	Ollama
	// TextEmbeddingsInference is POST /embed of Hugging Face's server.
	TextEmbeddingsInference
)

// String returns the protocol's name.
func (p Protocol) String() string {
	if p < 0 || int(p) >= len(wires) {
		return "protocol " + strconv.Itoa(int(p))
	}
	return p.wire().name
}

// wire is how a protocol looks on the wire.
type wire struct {
	name, path string
	texts      int // in a request by default
	truncates  bool
	request    func(s *Server, texts []string) any
	// vectors returns those in an answer, in the order of the texts.
	vectors func(body []byte, want int) ([][]float32, error)
}

var wires = [...]wire{
	OpenAI: {
		name: "OpenAI", path: "/v1/embeddings", texts: 64,
		request: func(s *Server, texts []string) any {
			return struct {
				Model      string   `json:"model"`
				Input      []string `json:"input"`
				Dimensions int      `json:"dimensions,omitempty"`
			}{s.Model, texts, s.Dimensions}
		},
		vectors: openAIVectors,
	},
	Ollama: {
		name: "Ollama", path: "/api/embed", texts: 64, truncates: true,
		request: func(s *Server, texts []string) any {
			return struct {
				Model      string   `json:"model"`
				Input      []string `json:"input"`
				Truncate   bool     `json:"truncate"` // left out, it would mean true
				Dimensions int      `json:"dimensions,omitempty"`
			}{s.Model, texts, s.Truncate, s.Dimensions}
		},
		vectors: func(body []byte, want int) ([][]float32, error) {
			var answer struct {
				Embeddings []jsonVector `json:"embeddings"`
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return nil, err
			}
			return plain(answer.Embeddings), nil
		},
	},
	TextEmbeddingsInference: {
		name: "Text Embeddings Inference", path: "/embed", texts: 32, truncates: true,
		request: func(s *Server, texts []string) any {
			return struct {
				Inputs     []string `json:"inputs"`
				Truncate   bool     `json:"truncate"`
				Dimensions int      `json:"dimensions,omitempty"`
			}{texts, s.Truncate, s.Dimensions}
		},
		vectors: func(body []byte, want int) ([][]float32, error) {
			var answer []jsonVector
			if err := json.Unmarshal(body, &answer); err != nil {
				return nil, err
			}
			return plain(answer), nil
		},
	},
}

func (p Protocol) wire() *wire {
	if p < 0 || int(p) >= len(wires) {
		p = OpenAI // refused elsewhere
	}
	return &wires[p]
}

// openAIVectors puts vectors in the order of their indices.
func openAIVectors(body []byte, want int) ([][]float32, error) {
	var answer struct {
		Data []struct {
			Index     *int       `json:"index"`
			Embedding jsonVector `json:"embedding"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Data) != want {
		return make([][]float32, len(answer.Data)), nil // the caller says so
	}
	vectors, without := make([][]float32, want), 0
	for i, d := range answer.Data {
		at := i
		if d.Index == nil {
			without++
		} else {
			at = *d.Index
		}
		switch {
		case without > 0 && without <= i:
			return nil, fmt.Errorf("%w: some vectors have an index, others none", ErrEmbedderCount)
		case at < 0 || at >= want:
			return nil, fmt.Errorf("%w: index %d for %d texts", ErrEmbedderCount, at, want)
		case vectors[at] != nil:
			return nil, fmt.Errorf("%w: two have index %d", ErrEmbedderCount, at)
		}
		vectors[at] = append([]float32{}, d.Embedding...) // not nil, even if empty
	}
	return vectors, nil
}

func plain(vectors []jsonVector) [][]float32 {
	out := make([][]float32, len(vectors))
	for i, v := range vectors {
		out[i] = v
	}
	return out
}

// jsonVector is an array of numbers, each rounded to float32 once. Other than
// []float32, it refuses null, which would silently stay 0 and is what some
// servers write for NaN.
type jsonVector []float32

var errNoVector = errors.New("where a vector should be there is no array of numbers")

// UnmarshalJSON parses valid JSON.
func (v *jsonVector) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '[' {
		return errNoVector
	}
	raw = bytes.TrimSpace(raw[1 : len(raw)-1])
	*v = make([]float32, 0, bytes.Count(raw, []byte{','})+1)
	for len(raw) > 0 {
		item, rest, _ := bytes.Cut(raw, []byte{','})
		item, raw = bytes.TrimSpace(item), rest
		x, err := strconv.ParseFloat(string(item), 32)
		switch {
		case string(item) == "null", string(item) == `"NaN"`, errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%w: component %d is %s", ErrNotFinite, len(*v)+1, excerpt(string(item)))
		case err != nil:
			return fmt.Errorf("%w: component %d", errNoVector, len(*v)+1) // not its text: it may hold a part of the key
		}
		*v = append(*v, float32(x))
	}
	return nil
}

// decode reads an answer.
func (w *wire) decode(body []byte, want int) ([][]float32, error) {
	vectors, err := w.vectors(body, want)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset >= 1 && syntax.Offset <= int64(len(body)) {
		// Not JSON, but what some servers write all the same.
		at := body[syntax.Offset-1:]
		for _, word := range []string{"NaN", "Infinity", "nan", "inf"} {
			if bytes.HasPrefix(at, []byte(word)) {
				return nil, fmt.Errorf("%w: %s", ErrNotFinite, word)
			}
		}
		// "nan" begins like null.
		if syntax.Offset >= 2 && bytes.HasPrefix(body[syntax.Offset-2:], []byte("nan")) {
			return nil, fmt.Errorf("%w: nan", ErrNotFinite)
		}
	}
	if err != nil {
		return nil, err
	}
	if len(vectors) != want {
		return nil, fmt.Errorf("%w: %d for %d texts", ErrEmbedderCount, len(vectors), want)
	}
	return vectors, nil
}
