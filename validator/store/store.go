package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrCorrupt: the file is damaged.
	ErrCorrupt = errors.New("store is damaged")
	// ErrBusy: another process has the file open.
	ErrBusy = errors.New("store is in use by another process")
	// ErrReadable: others may read the file, which holds weights that are still hidden.
	ErrReadable = errors.New("store can be read by others")
	// ErrVersion: a record was written by another version of the program.
	ErrVersion = errors.New("record of another version")
)

const (
	fileMode = 0o600
	lockWait = 2 * time.Second
)

// Store is an open file. It is safe for concurrent use.
type Store struct {
	db   *bbolt.DB
	path string
}

// Open opens a file, and makes it where there is none. Errors wrap ErrCorrupt, ErrBusy or ErrReadable and say what to do.
func Open(path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	s, err := open(path)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s: end the other validator, or give this one another --store", ErrBusy, path)
	}
	if errors.Is(err, ErrCorrupt) {
		return nil, fmt.Errorf("%w; move it away (mv %s %s.damaged) and start again: scores are gathered anew within some rounds, but commits behind a hash that are not opened yet are lost", err, path, path)
	}
	return s, err
}

// private refuses a file that others may read.
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("store %s is no file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s (%v): run chmod 600 on it", ErrReadable, path, info.Mode().Perm())
	}
	return nil
}

// open opens the file and reads all of it. bbolt maps the file into memory and trusts what its pages say about each
// other, so that damage may show as a panic or as a fault.
func open(path string) (s *Store, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			s, err = nil, fmt.Errorf("%w: %s: %v", ErrCorrupt, path, fault)
		}
	}()
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{Timeout: lockWait})
	switch {
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	case err != nil && !errors.Is(err, berrors.ErrTimeout) && !errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	case err != nil:
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	s = &Store{db: db, path: path}
	if err := s.check(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// check reads every record.
func (s *Store) check() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: %s has %d bytes of %d", ErrCorrupt, s.path, info.Size(), tx.Size())
		}
		return tx.ForEach(func(book []byte, b *bbolt.Bucket) error {
			return b.ForEachBucket(func(kind []byte) error {
				return b.Bucket(kind).ForEach(func(key, record []byte) error {
					if _, _, err := unframe(record); err != nil {
						return fmt.Errorf("%s: %s of book %s, key %q: %w", s.path, kind, book, key, err)
					}
					return nil
				})
			})
		})
	})
}

// Close closes the file. Books must not be used after.
func (s *Store) Close() error { return s.db.Close() }

// Path is where the file is.
func (s *Store) Path() string { return s.path }

// Book is what one hotkey knows of one subnet.
func (s *Store) Book(netuid uint32, hotkey string) *Book {
	return &Book{db: s.db, name: []byte(fmt.Sprintf("%d/%s", netuid, hotkey))}
}

// Book is a part of a store. It is safe for concurrent use.
type Book struct {
	db   *bbolt.DB
	name []byte
}

// Update runs change in a transaction: when it returns nil everything is saved, else nothing is.
func (b *Book) Update(change func(*Tx) error) error {
	err := b.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(b.name)
		if err != nil {
			return err
		}
		return change(&Tx{bucket: bucket})
	})
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// View runs look on one state of the book.
func (b *Book) View(look func(*Tx) error) error {
	err := b.db.View(func(tx *bbolt.Tx) error { return look(&Tx{bucket: tx.Bucket(b.name)}) })
	if err != nil {
		return fmt.Errorf("read what was saved: %w", err)
	}
	return nil
}

// Tx is a transaction. It is good only within the function that it was given to.
type Tx struct {
	bucket *bbolt.Bucket // nil: nothing was ever saved
}

func (t *Tx) kind(name string) *bbolt.Bucket {
	if t.bucket == nil {
		return nil
	}
	return t.bucket.Bucket([]byte(name))
}
