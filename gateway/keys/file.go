package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	fileMode    = 0o600
	fileVersion = 1
	// maxFileBytes bounds what is read of a file that grew beyond reason.
	maxFileBytes = 64 << 20
)

// Options tune a File. A zero field takes the default.
type Options struct {
	MaxKeys int           // that the file may hold, revoked ones too; 10 000
	Refresh time.Duration // between two looks at whether the file has changed; 200 ms
}

// File is a file of keys. It is safe for concurrent use, by several programs too.
type File struct {
	path    string
	options Options

	mu     sync.Mutex
	looked time.Time
	seen   fs.FileInfo // of what is in known; nil: there is no file
	known  map[string]Key
	err    error // why the file cannot be read; nobody is let in then
}

// contents is what the file holds.
type contents struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// Open returns the file of that path, which is made with its first key.
func Open(path string, o Options) *File {
	if o.MaxKeys <= 0 {
		o.MaxKeys = 10_000
	}
	if o.Refresh <= 0 {
		o.Refresh = 200 * time.Millisecond
	}
	return &File{path: path, options: o}
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Authenticate returns the key with that secret. Errors are ErrUnknown, ErrRevoked and ErrExpired, and wrap ErrFile
// where the keys cannot be read: nobody is let in on a guess.
func (f *File) Authenticate(secret string, now time.Time) (Key, error) {
	id := idOf(secret)
	f.mu.Lock()
	if now.Sub(f.looked) >= f.options.Refresh || now.Before(f.looked) {
		f.looked = now
		f.refresh()
	}
	key, ok := f.known[id]
	err := f.err
	f.mu.Unlock()
	switch {
	case err != nil:
		return Key{}, err
	case !ok || !key.matches(secret):
		return Key{}, ErrUnknown
	}
	return key, key.usable(now)
}

// refresh reads the file if it is another than before. The caller holds the lock.
func (f *File) refresh() {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.seen, f.known, f.err = nil, nil, nil
		return
	case err != nil:
		f.seen, f.known, f.err = nil, nil, fmt.Errorf("%w %s: %w", ErrFile, f.path, err)
		return
	case f.seen != nil && f.err == nil && same(f.seen, info):
		return
	}
	list, err := f.read()
	if f.err = err; err != nil {
		f.seen, f.known = nil, nil
		return
	}
	f.seen, f.known = info, make(map[string]Key, len(list))
	for _, k := range list {
		f.known[k.ID] = k
	}
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// read returns all keys; none where there is no file.
func (f *File) read() ([]Key, error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrFile, f.path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%w %s: no regular file of at most %d bytes", ErrFile, f.path, maxFileBytes)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w %s: others may read or write it (%v): run chmod 600 on it", ErrFile, f.path, info.Mode().Perm())
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrFile, f.path, err)
	}
	list, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrFile, f.path, err)
	}
	return list, nil
}

// parse reads the contents of a file and finds what is wrong with them.
func parse(data []byte) ([]Key, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields() // what is misspelt would be a bound that does not bind
	var c contents
	if err := decoder.Decode(&c); err != nil {
		return nil, err
	}
	if c.Version != fileVersion {
		return nil, fmt.Errorf("version %d: this program reads version %d", c.Version, fileVersion)
	}
	ids, taken := map[string]bool{}, map[string]bool{}
	for i, k := range c.Keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if len(k.ID) != 2*idBytes || len(k.Hash) != 64 || ids[k.ID] || taken[k.Name] {
			return nil, fmt.Errorf("key %d (%s): its id, hash or name is malformed or there twice", i, k.Name)
		}
		ids[k.ID], taken[k.Name] = true, true
	}
	return c.Keys, nil
}

// List returns all keys in the order of their making, revoked ones too. The error wraps ErrFile.
func (f *File) List() ([]Key, error) { return f.read() }

// Create adds a key, of which only name and bounds are looked at, and returns it and its secret, which is not kept.
func (f *File) Create(k Key) (secret string, made Key, err error) {
	secret, k.ID, k.Hash = newSecret()
	k.Revoked = time.Time{}
	if k.Created.IsZero() {
		k.Created = time.Now().UTC().Truncate(time.Second)
	}
	if err := k.check(); err != nil {
		return "", Key{}, err
	}
	err = f.change(func(list []Key) ([]Key, error) {
		if len(list) >= f.options.MaxKeys {
			return nil, fmt.Errorf("%w: there are %d keys already, revoked ones included, and at most %d are kept", ErrKey, len(list), f.options.MaxKeys)
		}
		if slices.ContainsFunc(list, func(o Key) bool { return o.Name == k.Name }) {
			return nil, fmt.Errorf("%w: there is one named %q already; names are not used twice, not after a revocation either, so that the ledger stays clear", ErrKey, k.Name)
		}
		return append(list, k), nil
	})
	if err != nil {
		return "", Key{}, err
	}
	return secret, k, nil
}

// Revoke takes a key back, named by its name or id, for good. Taking it back twice changes nothing. The error is
// ErrUnknown for none.
func (f *File) Revoke(name string, now time.Time) (Key, error) {
	var revoked Key
	err := f.change(func(list []Key) ([]Key, error) {
		at := slices.IndexFunc(list, func(k Key) bool { return k.Name == name || k.ID == name })
		if at < 0 {
			return nil, fmt.Errorf("%w: %q", ErrUnknown, name)
		}
		if list[at].Revoked.IsZero() {
			list[at].Revoked = now.UTC().Truncate(time.Second)
		}
		revoked = list[at]
		return list, nil
	})
	return revoked, err
}

// change replaces the file by what edit makes of its keys, while nobody else does.
func (f *File) change(edit func([]Key) ([]Key, error)) error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer lock.Close() // and the kernel drops the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("%w: lock %s: %w", ErrFile, lock.Name(), err)
	}
	list, err := f.read()
	if err != nil {
		return err
	}
	if list, err = edit(list); err != nil {
		return err
	}
	data, err := json.MarshalIndent(contents{Version: fileVersion, Keys: list}, "", "  ")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	if err := replace(f.path, append(data, '\n')); err != nil {
		return fmt.Errorf("%w %s: %w", ErrFile, f.path, err)
	}
	return nil
}

// replace writes a file beside the old one and puts it in its place, so that nobody ever reads half of it.
func replace(path string, data []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), ".keys-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // does nothing once renamed
	_, writeErr := next.Write(data)
	if err := errors.Join(writeErr, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
