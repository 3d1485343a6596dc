package tripleio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
	"example.com/eci/internal/spool"
	"example.com/eci/internal/textfile"
)

// group is a list of files that are one source, unless they name several.
type group struct {
	name  string
	named bool // by the user
	paths []string
}

// shardName matches the name of a shard as Hugging Face datasets and others write it:
// stem, number, and "of" the total number.
var shardName = regexp.MustCompile(`^(.*?)[-_.]?(\d{2,})-of-(\d{2,})(?:-[0-9a-f]{8,})?(\.[A-Za-z0-9.]+)?$`)

// sourceFiles are the extensions of the files to look for in a folder.
var sourceFiles = []string{".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".run", ".trec", ".arrow"}

// notSources are the stems of files in a folder that hold no triples.
var notSources = []string{"corpus", "queries", "collection", "qrels", "dataset_info", "state", "dataset_dict", "dataset_infos", "config", "package", "metadata", "readme"}

// splits are the names of parts of a data set. Of a folder, the train part is read.
var splits = []string{"train", "test", "validation", "valid", "val", "dev", "eval"}

// groups makes groups from the arguments: a file, a folder, a pattern, or
// name=file,file. Shards of one data set are one group.
func (f *Config) groups(arguments []string) ([]group, error) {
	var groups []group
	for _, argument := range f.withoutCards(arguments) {
		found, err := f.group(argument)
		if err != nil {
			return nil, err
		}
		groups = append(groups, found...)
	}
	groups = joinShards(groups)
	f.tellApart(groups)
	return groups, nil
}

// cards are the files that save_to_disk of Hugging Face datasets writes next to those
// with the rows.
var cards = []string{"state.json", "dataset_info.json", "dataset_dict.json"}

// withoutCards returns the arguments, or the matches of a pattern, without the cards
// of a data set if other files of it are among them.
func (f *Config) withoutCards(arguments []string) (kept []string) {
	others := map[string]bool{} // folders with another file
	for _, argument := range arguments {
		if folder, file := splitPath(argument); !slices.Contains(cards, file) {
			others[folder] = true
		}
	}
	for _, argument := range arguments {
		if folder, file := splitPath(argument); !slices.Contains(cards, file) || !others[folder] {
			kept = append(kept, argument)
		} else if f.Note != nil {
			f.Note(argument + ": skipped: it describes the data set next to it")
		}
	}
	return kept
}

// stat looks up a file. One that cannot be looked up, such as standard input, counts
// as existing.
func (f *Config) stat(name string) (fs.FileInfo, error) {
	if f.FS != nil {
		return fs.Stat(f.FS, name)
	}
	return os.Stat(name)
}

func (f *Config) group(argument string) ([]group, error) {
	if argument == spool.Stdin {
		return []group{{paths: []string{argument}}}, nil
	}
	info, err := f.stat(argument)
	switch {
	case err == nil && info.IsDir():
		return f.folder(argument)
	case err == nil:
		return []group{{paths: []string{argument}}}, nil
	}
	if name, rest, ok := strings.Cut(argument, "="); ok && name != "" && !strings.ContainsAny(name, `/\`) {
		g := group{name: name, named: true}
		for _, part := range strings.Split(rest, ",") {
			if part == "" {
				return nil, fmt.Errorf("eci: %s: %w: want name=file,file without an empty name", argument, fault.Settings)
			}
			inner, err := f.group(part)
			if err != nil {
				return nil, err
			}
			for _, one := range inner {
				g.paths = append(g.paths, one.paths...)
			}
		}
		return []group{g}, nil
	}
	if strings.ContainsAny(argument, "*?[") {
		matches, err := f.glob(argument)
		if err != nil {
			return nil, err
		}
		var groups []group
		for _, match := range f.withoutCards(matches) {
			found, err := f.group(match)
			if err != nil {
				return nil, err
			}
			groups = append(groups, found...)
		}
		if len(groups) > 0 {
			return groups, nil
		}
	}
	return []group{{paths: []string{argument}}}, nil // opening it gives the error
}

func (f *Config) glob(pattern string) (matches []string, err error) {
	if f.FS != nil {
		matches, err = fs.Glob(f.FS, pattern)
	} else {
		matches, err = filepath.Glob(pattern)
	}
	if err != nil {
		return nil, fmt.Errorf("eci: %s: %w: %w", pattern, fault.Settings, err)
	}
	return matches, nil
}

// folder makes groups of the files in a folder. Shards are one source with the name of
// the folder. If a data set has splits, it takes the train split.
func (f *Config) folder(name string) ([]group, error) {
	entries, err := f.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	if f.isBEIR(name) {
		return nil, fmt.Errorf("eci: %s: %w: a folder in BEIR's layout has texts and judgments, and no negatives: set Files.BEIR to it and give a run or mined rows", name, fault.Format)
	}
	var groups []group
	inner := ""
	for _, e := range entries {
		stem := strings.ToLower(textfile.Stem(e.Name()))
		if e.IsDir() && (e.Name() == "data" || e.Name() == "train") {
			inner = f.Join(name, e.Name())
		}
		if strings.HasPrefix(e.Name(), "cache-") && strings.HasSuffix(e.Name(), ".arrow") {
			continue // left by map and filter of datasets
		}
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") || slices.Contains(notSources, stem) || !hasSourceExtension(e.Name()) {
			continue
		}
		groups = append(groups, group{paths: []string{f.Join(name, e.Name())}})
	}
	if len(groups) == 0 && inner != "" {
		return f.folder(inner)
	}
	if len(groups) == 0 {
		return nil, fmt.Errorf("eci: %s: %w: no file of triples in this folder (%s, plain or compressed)", name, fault.Format, strings.Join(sourceFiles, ", "))
	}
	return f.trainSplit(name, groups), nil
}

// isBEIR reports whether a folder has the texts of a retrieval task.
func (f *Config) isBEIR(folder string) bool {
	for _, name := range []string{"corpus.jsonl", "queries.jsonl"} {
		if _, err := f.stat(f.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// trainSplit leaves out the other splits if there is one for training.
func (f *Config) trainSplit(folder string, groups []group) []group {
	var kept []group
	var left []string
	for _, g := range groups {
		switch split := splitOf(g.paths[0]); {
		case split == "train" || split == "":
			kept = append(kept, g)
		default:
			left = append(left, path.Base(filepath.ToSlash(g.paths[0])))
		}
	}
	if len(left) == 0 || !slices.ContainsFunc(groups, func(g group) bool { return splitOf(g.paths[0]) == "train" }) {
		return groups
	}
	if f.Note != nil {
		f.Note(fmt.Sprintf("%s: the train split is read, without %s", folder, quote.Names(left)))
	}
	return kept
}

// splitOf returns the split named in a file's name, or "".
func splitOf(name string) string {
	stem := strings.ToLower(textfile.Stem(name))
	if m := shardName.FindStringSubmatch(path.Base(filepath.ToSlash(name))); m != nil {
		stem = strings.ToLower(m[1])
	}
	if slices.Contains(splits, stem) {
		return stem
	}
	return ""
}

func hasSourceExtension(name string) bool {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst", ".bz2", ".xz"} {
		name = strings.TrimSuffix(name, packed)
	}
	return slices.Contains(sourceFiles, path.Ext(name))
}

// joinShards makes one group of the shards of a data set in one folder. It takes the
// place of the first shard.
func joinShards(groups []group) []group {
	at := map[string]int{}
	joined := make([]group, 0, len(groups))
	for _, g := range groups {
		if g.named || len(g.paths) != 1 {
			joined = append(joined, g)
			continue
		}
		folder, file := splitPath(g.paths[0])
		m := shardName.FindStringSubmatch(file)
		if m == nil {
			joined = append(joined, g)
			continue
		}
		key := folder + "\x00" + m[1] + "\x00" + m[3] + "\x00" + m[4]
		if k, ok := at[key]; ok {
			joined[k].paths = append(joined[k].paths, g.paths[0])
			continue
		}
		at[key] = len(joined)
		joined = append(joined, g)
	}
	return joined
}

func splitPath(name string) (folder, file string) {
	name = filepath.ToSlash(name)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// tellApart names the groups: after their file, or after their folder for shards.
// Equal names get as many parent folders as they need to differ.
func (f *Config) tellApart(groups []group) {
	folders := make([][]string, len(groups))
	for i := range groups {
		g := &groups[i]
		if g.named {
			continue
		}
		folder, file := splitPath(g.paths[0])
		folders[i] = strings.FieldsFunc(folder, func(r rune) bool { return r == '/' })
		folders[i] = slices.DeleteFunc(folders[i], func(part string) bool { return part == "." || part == ".." })
		if abs, err := filepath.Abs("."); err == nil && len(folders[i]) == 0 && f.FS == nil && shardName.MatchString(file) {
			folders[i] = []string{filepath.Base(abs)}
		}
		g.name = textfile.Stem(g.paths[0])
		m := shardName.FindStringSubmatch(file)
		if m == nil {
			continue
		}
		if g.name = m[1]; g.name == "" || g.name == "data" || splitOf(file) != "" {
			for n := len(folders[i]); n > 0; n-- {
				if last := folders[i][n-1]; last != "data" && last != "train" || n == 1 {
					g.name, folders[i] = last, folders[i][:n-1]
					break
				}
			}
		}
	}
	for range 8 {
		count := map[string]int{}
		for _, g := range groups {
			count[g.name]++
		}
		var equal []int
		for i := range groups {
			if g := &groups[i]; !g.named && count[g.name] > 1 && len(folders[i]) > 0 && !sameFolder(groups, folders, i) {
				equal = append(equal, i)
			}
		}
		if equal == nil {
			return
		}
		for _, i := range equal {
			n := len(folders[i])
			groups[i].name, folders[i] = folders[i][n-1]+"/"+groups[i].name, folders[i][:n-1]
		}
	}
}

// sameFolder reports whether all groups of one name are in one folder. Its name then
// does not distinguish them.
func sameFolder(groups []group, folders [][]string, i int) bool {
	for k := range groups {
		if k != i && groups[k].name == groups[i].name && !slices.Equal(folders[k], folders[i]) {
			return false
		}
	}
	return true
}

// concatenated returns the rows of several files, one after the other.
func concatenated(name string, parts []Source) Source {
	if len(parts) == 1 {
		return Source{Name: name, Tally: parts[0].Tally, Records: parts[0].Records}
	}
	tally := func() *Tally {
		var sum Tally
		for _, part := range parts {
			t := part.Tally()
			if t == nil {
				return nil
			}
			sum = sum.plus(t)
		}
		return &sum
	}
	return Source{Name: name, Tally: tally, Records: func(yield func(*Record, error) bool) {
		empty := 0
		for _, part := range parts {
			more := true
			part.Records(func(r *Record, err error) bool {
				if errors.Is(err, fault.EmptySource) && empty+1 < len(parts) {
					empty++ // another part has rows
					return true
				}
				more = yield(r, err)
				return more
			})
			if !more {
				return
			}
		}
	}}
}
