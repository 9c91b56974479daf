package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type note struct {
	Text  string
	Count int
}

func notes() Kind[note] { return Kind[note]{Name: "notes", Version: 1} }

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func all(t *testing.T, b *Book, prefix string) map[string]note {
	t.Helper()
	found := map[string]note{}
	require.NoError(t, b.View(func(tx *Tx) error {
		return notes().Each(tx, prefix, func(key string, n note) error { found[key] = n; return nil })
	}))
	return found
}

func TestRecordsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "validator.db")
	s := opened(t, path)
	book := s.Book(1, "hotkey")
	require.Empty(t, all(t, book, ""), "nothing was ever saved")
	require.NoError(t, book.Update(func(tx *Tx) error {
		return errors.Join(notes().Put(tx, "a/1", note{"one", 1}), notes().Put(tx, "a/2", note{"two", 2}), notes().Put(tx, "b", note{"three", 3}))
	}))
	require.NoError(t, s.Close())

	again := opened(t, path)
	book = again.Book(1, "hotkey")
	require.Equal(t, map[string]note{"a/1": {"one", 1}, "a/2": {"two", 2}}, all(t, book, "a/"))
	require.Empty(t, all(t, again.Book(2, "hotkey"), ""), "each subnet has a book of its own")
	require.Empty(t, all(t, again.Book(1, "another"), ""))
	require.NoError(t, book.Update(func(tx *Tx) error { return notes().Delete(tx, "b") }))
	require.NoError(t, book.View(func(tx *Tx) error {
		_, ok, err := notes().Get(tx, "b")
		require.False(t, ok)
		one, _, _ := notes().Get(tx, "a/1")
		require.Equal(t, note{"one", 1}, one)
		return err
	}))
	require.NoError(t, book.Update(func(tx *Tx) error { return notes().Clear(tx) }))
	require.Empty(t, all(t, book, ""))

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestNothingIsHalfSaved(t *testing.T) {
	book := opened(t, filepath.Join(t.TempDir(), "db")).Book(1, "h")
	failure := errors.New("no")
	require.ErrorIs(t, book.Update(func(tx *Tx) error { return errors.Join(notes().Put(tx, "a", note{}), failure) }), failure)
	require.Empty(t, all(t, book, ""))
}

func TestAnotherVersionIsRefused(t *testing.T) {
	book := opened(t, filepath.Join(t.TempDir(), "db")).Book(1, "h")
	require.NoError(t, book.Update(func(tx *Tx) error { return Kind[note]{Name: "notes", Version: 2}.Put(tx, "a", note{}) }))
	require.ErrorIs(t, book.View(func(tx *Tx) error { _, _, err := notes().Get(tx, "a"); return err }), ErrVersion)
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	opened(t, path)
	_, err := Open(path)
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorContains(t, err, "--store")
}

func TestAFileThatOthersReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	require.NoError(t, opened(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o640))
	_, err := Open(path)
	require.ErrorIs(t, err, ErrReadable)
	require.ErrorContains(t, err, "chmod 600")
	_, err = Open(filepath.Dir(path))
	require.ErrorContains(t, err, "is no file")
}

// filled returns the bytes of a store with some records.
func filled(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "db")
	s, err := Open(path)
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, s.Book(uint32(i%3), "h").Update(func(tx *Tx) error {
			return notes().Put(tx, string(rune('a'+i)), note{Text: string(make([]byte, 200)), Count: i})
		}))
	}
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func TestADamagedFileIsRefusedWithTheRemedy(t *testing.T) {
	whole := filled(t)
	cases := map[string]func([]byte) []byte{
		"cut in half":   func(b []byte) []byte { return b[:len(b)/2] },
		"cut short":     func(b []byte) []byte { return b[:5000] },
		"no database":   func([]byte) []byte { return []byte("hello") },
		"all the same":  func(b []byte) []byte { return make([]byte, len(b)) },
		"a byte of all": func(b []byte) []byte { b = append([]byte(nil), b...); flip(b, "AAAA"); return b },
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			require.NoError(t, os.WriteFile(path, damage(whole), 0o600))
			_, err := Open(path)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, "move it away")
		})
	}
}

// flip changes a byte in every record: their JSON has a run of zero bytes, written as A in base 64 or as escapes.
func flip(b []byte, _ string) {
	for i := range b[:len(b)-8] {
		if string(b[i:i+8]) == `{"Text":` {
			b[i+2] ^= 1
		}
	}
}

// TestNoDamageIsFatal: whatever byte is changed, Open returns.
func TestNoDamageIsFatal(t *testing.T) {
	whole := filled(t)
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		data := append([]byte(nil), whole...)
		for range rapid.IntRange(1, 8).Draw(t, "bytes") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		path := filepath.Join(folder, rapid.StringMatching(`[a-z]{16}`).Draw(t, "name"))
		require.NoError(t, os.WriteFile(path, data, 0o600))
		defer os.Remove(path)
		if s, err := Open(path); err == nil {
			require.NoError(t, s.Close())
		}
	})
}
