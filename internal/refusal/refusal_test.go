package refusal

import "testing"

func TestMost(t *testing.T) {
	for _, test := range []struct {
		reason, body string
		want         int
	}{
		{"Text Embeddings Inference", `{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}`, 32},
		{"DashScope", "batch size is invalid, it should not be larger than 10.: input.contents", 10},
		{"a limit in other words", "Batch exceeds the limit of 25 inputs", 25},
		{"not below what was sent", "batch of texts exceeds 512 tokens", 0},
		{"nothing of batches", "maximum context length is 32 tokens", 0},
		{"no number", "batch too large", 0},
		{"zero", "batch size must be at most 0", 0},
		{"nothing", "", 0},
	} {
		if got := Most(test.body, 64); got != test.want {
			t.Errorf("%s: %d, want %d", test.reason, got, test.want)
		}
	}
}

func TestOfText(t *testing.T) {
	for body, want := range map[string]bool{
		"json: unsupported value: NaN": true, "input is too large to process": true, "maximum context length": true,
		"CUDA out of memory": false, "Nancy is down": false, "": false,
	} {
		if OfText([]byte(body)) != want {
			t.Errorf("%q: want %v", body, want)
		}
	}
}
