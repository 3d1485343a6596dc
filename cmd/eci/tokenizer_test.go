package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScriptsWithoutSpaces: negatives on the topic of their query are no padding in
// Chinese, and those that have nothing to do with it are.
func TestScriptsWithoutSpaces(t *testing.T) {
	topics := []string{"门诊", "药房", "急诊", "牙科", "眼科", "内科", "外科", "儿科", "骨科", "产科", "食堂", "车库"}
	var on, off strings.Builder
	for _, topic := range topics {
		fmt.Fprintf(&on, "{\"query\":\"%s几点开门\",\"positive\":\"%s每天八点开门。\",\"negative\":\"%s在二楼的东边。\"}\n", topic, topic, topic)
		fmt.Fprintf(&on, "{\"query\":\"%s怎么预约\",\"positive\":\"%s可以打电话预约。\",\"negative\":\"%s在二楼的东边。\"}\n", topic, topic, topic)
		fmt.Fprintf(&off, "{\"query\":\"%s几点开门\",\"positive\":\"%s每天八点开门。\",\"negative\":\"鲸鱼是哺乳动物。\"}\n", topic, topic)
		fmt.Fprintf(&off, "{\"query\":\"%s怎么预约\",\"positive\":\"%s可以打电话预约。\",\"negative\":\"鲸鱼是哺乳动物。\"}\n", topic, topic)
	}
	dir := t.TempDir()
	for _, test := range []struct {
		name, rows, tokenizer string
		padding               bool
	}{
		{"on", on.String(), "words", false},
		{"off", off.String(), "words", true},
		{"off3", off.String(), "3-grams", true},
	} {
		file := filepath.Join(dir, test.name+".jsonl")
		if err := os.WriteFile(file, []byte(test.rows), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, stderr := eciRun(t.Context(), "lint", "--tokenizer", test.tokenizer, file)
		if code != 0 || strings.Contains(out, "padding") != test.padding {
			t.Errorf("%s: exit code %d, padding wanted %v:\n%s%s", test.name, code, test.padding, out, stderr)
		}
	}
	for _, word := range []string{"grams", "0-grams", "-2-grams", "letters"} {
		if code, _, stderr := eciRun(t.Context(), "lint", "--demo", "--tokenizer", word); code != exitUsage || !strings.Contains(stderr, "4-grams") {
			t.Errorf("--tokenizer %s: exit code %d, %s", word, code, stderr)
		}
	}
	_, words, _ := eciRun(t.Context(), "rank", "--demo", "--by", "eci", "--csv")
	code, grams, stderr := eciRun(t.Context(), "rank", "--demo", "--by", "eci", "--csv", "--tokenizer", "4-grams")
	if code != 0 || words == grams {
		t.Errorf("the tokenizer changes nothing: exit code %d, %s", code, stderr)
	}
}
