package ledger

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrCorrupt: a segment holds what no ledger writes.
var ErrCorrupt = errors.New("ledger is damaged")

// record is a line of a segment: one of its fields.
type record struct {
	Head  *head   `json:"head,omitempty"`
	Open  *opened `json:"open,omitempty"`
	Close *closed `json:"close,omitempty"`
}

// head begins a segment with everything that the segments before it come to.
type head struct {
	Version  int             `json:"version"`
	Next     uint64          `json:"next"` // sequence number
	Accounts map[string]sums `json:"accounts"`
	Open     []opened        `json:"open,omitempty"`
}

// sums is what a key has spent, uncertain sums included.
type sums struct {
	Total uint64 `json:"total"`
	Day   int64  `json:"day"`       // of UTC, since 1970
	Today uint64 `json:"day_total"` // on that day
}

// opened is a call that was begun.
type opened struct {
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	Key   string    `json:"key"`
	KeyID string    `json:"key_id"`
	Limit uint64    `json:"limit"`
}

// closed is a call that was settled.
type closed struct {
	Seq     uint64  `json:"seq"`
	Entries []Entry `json:"entries"`
}

const version = 1

// maxLine bounds what is read as one line.
const maxLine = 16 << 20

// encode writes a record as a line: the CRC-32C of the JSON, hexadecimal, a space, the JSON.
func (r record) encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	line := make([]byte, 0, len(text)+10)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
	return append(append(line, text...), '\n'), nil
}

// decode reads a line without its end.
func decode(line []byte) (record, error) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	var want [4]byte
	if n, err := hex.Decode(want[:], sum[:min(len(sum), 8)]); !found || len(sum) != 8 || err != nil || n != 4 {
		return record{}, fmt.Errorf("%w: a line without a checksum", ErrCorrupt)
	}
	if got := crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)); got != uint32(want[0])<<24|uint32(want[1])<<16|uint32(want[2])<<8|uint32(want[3]) {
		return record{}, fmt.Errorf("%w: a line's checksum is wrong", ErrCorrupt)
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return r, nil
}

const (
	segmentPrefix = "ledger-"
	segmentSuffix = ".log"
)

// segmentName sorts as the segment's number does.
func segmentName(number uint64) string {
	return fmt.Sprintf("%s%012d%s", segmentPrefix, number, segmentSuffix)
}

// segmentNumber is the number in a segment's name.
func segmentNumber(path string) (uint64, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), segmentPrefix), segmentSuffix)
	number, err := strconv.ParseUint(name, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is in its folder, and no segment", ErrCorrupt, path)
	}
	return number, nil
}

// segments returns the paths of a folder's segments, the oldest first; none where there is no folder.
func segments(folder string) ([]string, error) {
	list, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var paths []string
	for _, one := range list {
		if strings.HasPrefix(one.Name(), segmentPrefix) && strings.HasSuffix(one.Name(), segmentSuffix) {
			paths = append(paths, filepath.Join(folder, one.Name()))
		}
	}
	slices.Sort(paths)
	return paths, nil
}

// scan reads a segment's records and returns how many bytes of it are whole lines. A last line that is not whole is what
// a program left that ended while it wrote, or is being written now; a fault before that is ErrCorrupt.
func scan(path string, each func(record) error) (good int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 1<<16)
	for number := 1; ; number++ {
		line, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return good, nil // what is left is no whole line
		}
		if err != nil {
			return good, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		r, err := decode(line)
		if err != nil {
			return good, fmt.Errorf("%s, line %d: %w", path, number, err)
		}
		if err := each(r); err != nil {
			return good, err
		}
		good += int64(len(line)) + 1
	}
}

// readLine returns the next line without its end, and io.EOF for what has none.
func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > maxLine:
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrCorrupt, maxLine)
		}
	}
}

// Each calls do for the chosen entries in a ledger's folder, the oldest first, until it fails. The ledger may be open.
// The error wraps ErrCorrupt for one that is damaged.
func Each(folder string, f Filter, do func(Entry) error) error {
	paths, err := segments(folder)
	if err != nil {
		return err
	}
	for _, path := range paths {
		_, err := scan(path, func(r record) error {
			if r.Close == nil {
				return nil
			}
			for _, e := range r.Close.Entries {
				if !f.Chooses(e) {
					continue
				}
				if err := do(e); err != nil {
					return err
				}
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) { // too old since the folder was listed
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
