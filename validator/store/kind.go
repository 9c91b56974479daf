package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// Kind is a sort of records: its name within a book, and the version of what is written now.
type Kind[T any] struct {
	Name    string
	Version uint8
}

// A record is framed by its version and the CRC-32 (IEEE) of version and JSON.
const frameBytes = 1 + 4

func frame(version uint8, text []byte) []byte {
	record := make([]byte, frameBytes, frameBytes+len(text))
	record[0] = version
	record = append(record, text...)
	binary.BigEndian.PutUint32(record[1:], checksum(record))
	return record
}

func unframe(record []byte) (version uint8, text []byte, err error) {
	if len(record) < frameBytes {
		return 0, nil, fmt.Errorf("%w: record of %d bytes", ErrCorrupt, len(record))
	}
	if binary.BigEndian.Uint32(record[1:]) != checksum(record) {
		return 0, nil, fmt.Errorf("%w: wrong checksum", ErrCorrupt)
	}
	return record[0], record[frameBytes:], nil
}

func checksum(record []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(record[:1]), crc32.IEEETable, record[frameBytes:])
}

// Put saves a record.
func (k Kind[T]) Put(tx *Tx, key string, value T) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s %q: %w", k.Name, key, err)
	}
	bucket, err := tx.bucket.CreateBucketIfNotExists([]byte(k.Name))
	if err != nil {
		return fmt.Errorf("%s %q: %w", k.Name, key, err)
	}
	if err := bucket.Put([]byte(key), frame(k.Version, text)); err != nil {
		return fmt.Errorf("%s %q: %w", k.Name, key, err)
	}
	return nil
}

// Get returns a record; ok is false where there is none. Errors wrap ErrVersion and ErrCorrupt.
func (k Kind[T]) Get(tx *Tx, key string) (value T, ok bool, err error) {
	bucket := tx.kind(k.Name)
	if bucket == nil {
		return value, false, nil
	}
	record := bucket.Get([]byte(key))
	if record == nil {
		return value, false, nil
	}
	value, err = k.read(key, record)
	return value, err == nil, err
}

// Delete removes a record, if there is one.
func (k Kind[T]) Delete(tx *Tx, key string) error {
	bucket := tx.kind(k.Name)
	if bucket == nil {
		return nil
	}
	return bucket.Delete([]byte(key))
}

// Each calls do for every record whose key starts with prefix, in the order of their keys. do must not change the kind.
func (k Kind[T]) Each(tx *Tx, prefix string, do func(key string, value T) error) error {
	bucket := tx.kind(k.Name)
	if bucket == nil {
		return nil
	}
	cursor := bucket.Cursor()
	for key, record := cursor.Seek([]byte(prefix)); key != nil && bytes.HasPrefix(key, []byte(prefix)); key, record = cursor.Next() {
		value, err := k.read(string(key), record)
		if err != nil {
			return err
		}
		if err := do(string(key), value); err != nil {
			return err
		}
	}
	return nil
}

// Keys calls do for every key, in order, for as long as it returns true. do must not change the kind.
func (k Kind[T]) Keys(tx *Tx, do func(key string) bool) error {
	bucket := tx.kind(k.Name)
	if bucket == nil {
		return nil
	}
	cursor := bucket.Cursor()
	for key, _ := cursor.First(); key != nil && do(string(key)); key, _ = cursor.Next() {
	}
	return nil
}

// Clear removes every record of the kind.
func (k Kind[T]) Clear(tx *Tx) error {
	if tx.kind(k.Name) == nil {
		return nil
	}
	return tx.bucket.DeleteBucket([]byte(k.Name))
}

func (k Kind[T]) read(key string, record []byte) (value T, err error) {
	version, text, err := unframe(record)
	if err != nil {
		return value, fmt.Errorf("%s %q: %w", k.Name, key, err)
	}
	if version != k.Version {
		return value, fmt.Errorf("%s %q: %w: %d, this program writes %d: run the program that wrote it, or start with another --store",
			k.Name, key, ErrVersion, version, k.Version)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return value, fmt.Errorf("%s %q: %w: %w", k.Name, key, ErrCorrupt, err)
	}
	return value, nil
}
