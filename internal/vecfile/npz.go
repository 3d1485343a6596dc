package vecfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"example.com/eci/internal/fault"
	"example.com/eci/internal/quote"
)

// maxNPZ limits what is loaded of an .npz file, in bytes.
const maxNPZ = 4 << 30

// idArrays are the names of the array with the IDs or texts in an .npz file.
var idArrays = []string{"ids", "texts", "text", "docids", "keys", "names"}

// openNPZ loads stem.npz, NumPy's archive of arrays. The array with two dimensions has
// the vectors. An array of IDs or texts, or a file next to the archive, says which row
// is whose. openNPZ returns nil if there is no such archive.
func openNPZ(dir string, fsys fs.FS, stem string) (*Table, error) {
	name := filepath.Join(dir, stem+".npz")
	raw, err := fs.ReadFile(fsys, stem+".npz")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("eci: %w", err)
	}
	archive, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fmt.Errorf("eci: %s: %w: no .npz archive: %w", name, fault.Format, err)
	}
	var data *File
	var ids []string
	texts := false
	for _, member := range archive.File {
		array, err := unzipped(member)
		if err != nil {
			return nil, fmt.Errorf("eci: %s: %w: %s: %w", name, fault.Format, member.Name, err)
		}
		called := strings.TrimSuffix(member.Name, ".npy")
		for _, want := range idArrays {
			if called == want && ids == nil {
				if ids, err = namesOf(array); err != nil {
					return nil, fmt.Errorf("eci: %s: %w: %s: %w", name, fault.Format, member.Name, err)
				}
				texts = called != "ids" && called != "docids"
			}
		}
		if found, err := NewNPY(name+": "+member.Name, bytes.NewReader(array), int64(len(array))); err == nil {
			if data != nil {
				return nil, fmt.Errorf("eci: %s: %w: more than one array of two dimensions", name, fault.Format)
			}
			data = found
		}
	}
	switch {
	case data == nil:
		return nil, fmt.Errorf("eci: %s: %w: no array of two dimensions with float16, float32, float64, int8 or packed bits (uint8)", name, fault.Format)
	case ids != nil:
		return newTable(name, ids, data, texts)
	}
	return withIDs(data, dir, fsys, stem)
}

func unzipped(member *zip.File) ([]byte, error) {
	if member.UncompressedSize64 > maxNPZ {
		return nil, fmt.Errorf("more than %d GB; save it as .npy, which is read in place", maxNPZ>>30)
	}
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	array, err := io.ReadAll(io.LimitReader(r, int64(member.UncompressedSize64)+1))
	if err == nil && uint64(len(array)) != member.UncompressedSize64 {
		err = io.ErrUnexpectedEOF
	}
	return array, err
}

var npyNames = regexp.MustCompile(`'descr': '(<U\d+|<i4|<i8)'.*'shape': \((\d+),\)`)

// namesOf reads an array of texts (<U) or of whole numbers.
func namesOf(array []byte) ([]string, error) {
	if len(array) < 10 || !bytes.HasPrefix(array, []byte("\x93NUMPY")) {
		return nil, fmt.Errorf("no .npy array")
	}
	start := 10 + int(binary.LittleEndian.Uint16(array[8:]))
	if array[6] != 1 || start > len(array) {
		return nil, fmt.Errorf("an .npy header of version %d", array[6])
	}
	about := npyNames.FindSubmatch(array[:start])
	if about == nil {
		return nil, fmt.Errorf("want texts or whole numbers in one dimension, not objects: header is %q", quote.Clip(array[10:start]))
	}
	n, err := strconv.Atoi(string(about[2]))
	if err != nil {
		return nil, err
	}
	width := 8
	switch kind := string(about[1]); {
	case kind == "<i4":
		width = 4
	case kind[1] == 'U':
		if width, err = strconv.Atoi(kind[2:]); err != nil || width > 1<<24 {
			return nil, fmt.Errorf("texts of %s characters", kind[2:])
		}
		width *= 4
	}
	data := array[start:]
	if width == 0 || n != len(data)/width || len(data)%width != 0 {
		return nil, fmt.Errorf("%d elements of %d bytes, the data has %d: %w", n, width, len(data), io.ErrUnexpectedEOF)
	}
	names := make([]string, n)
	for i := range names {
		names[i] = nameOf(data[i*width:(i+1)*width], about[1][1] == 'U')
	}
	return names, nil
}

// nameOf reads one element, a text in UTF-32 padded with zeros or a whole number.
func nameOf(element []byte, text bool) string {
	switch {
	case !text && len(element) == 4:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(element))))
	case !text:
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(element)), 10)
	}
	var b strings.Builder
	for ; len(element) >= 4; element = element[4:] {
		c := rune(binary.LittleEndian.Uint32(element))
		if c == 0 {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}
