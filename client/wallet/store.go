package wallet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// record is what is kept of a channel.
type record struct {
	ID        uint64    `json:"id"`
	Netuid    uint32    `json:"netuid"`
	Hotkey    string    `json:"hotkey"`
	Deposit   uint64    `json:"deposit"`  // nplx, as the chain last said
	Redeemed  uint64    `json:"redeemed"` // nplx, as the chain last said
	Expires   uint64    `json:"expires"`  // height
	Span      uint64    `json:"span"`     // blocks that there were until then, when it was set
	ClosesAt  uint64    `json:"closes_at,omitempty"`
	State     State     `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Signed    uint64    `json:"signed"`
	Nonce     uint64    `json:"nonce"`
	Signature []byte    `json:"signature,omitempty"`
	Owed      uint64    `json:"owed"` // as the miner had said when the record was written
	Opened    time.Time `json:"opened"`
}

// intent is an opening that was asked of the chain and has not been seen there.
type intent struct {
	Payee   Payee  `json:"payee"`
	Deposit uint64 `json:"deposit"`
	Height  uint64 `json:"height"` // of the chain when it was asked
}

// totals are what is kept of channels that are gone, and of the wallet itself.
type totals struct {
	ChainID string   `json:"chain_id"`
	Key     []byte   `json:"key"`               // public, of vouchers
	Spent   uint64   `json:"spent"`             // nplx that channels now collected had cost
	Before  []uint64 `json:"before,omitempty"`  // channels of this key that are older than the wallet
	Counted bool     `json:"counted,omitempty"` // Before is known
	Window  window   `json:"window"`
}

// Names within the file. A sector of the disk that lies is found by bbolt's checksums of its meta pages only; what was
// signed is checked against its signature when it is read.
func bucketChannels() []byte { return []byte("channels") }
func bucketIntents() []byte  { return []byte("intents") }
func bucketWallet() []byte   { return []byte("wallet") }
func keyTotals() []byte      { return []byte("totals") }

// store writes what many callers hand in at once with one sync of the disk.
type store struct {
	db    *bbolt.DB
	queue chan write
	stop  chan struct{}
	ended chan struct{}
}

type write struct {
	change func(*bbolt.Tx) error
	done   chan error
}

// batch bounds the changes that are written at once.
const batch = 256

func openStore(path string, readOnly bool) (*store, error) {
	if !readOnly {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("wallet: %w", err)
		}
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("wallet %s can be read by others (%v): run chmod 600 on it", path, info.Mode().Perm())
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: readOnly, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("wallet %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("wallet %s: %w", path, err)
	}
	s := &store{db: db, queue: make(chan write), stop: make(chan struct{}), ended: make(chan struct{})}
	if readOnly {
		close(s.ended)
		return s, nil
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketChannels(), bucketIntents(), bucketWallet()} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("wallet %s: %w", path, err)
	}
	go s.run()
	return s, nil
}

// run writes until the store is closed.
func (s *store) run() {
	defer close(s.ended)
	for {
		select {
		case first := <-s.queue:
			s.write(s.gather(first))
		case <-s.stop:
			return
		}
	}
}

func (s *store) write(writes []write) {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, w := range writes {
			if err := w.change(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range writes {
		w.done <- err
	}
}

// gather takes along what else waits.
func (s *store) gather(first write) []write {
	writes := []write{first}
	for len(writes) < batch {
		select {
		case w := <-s.queue:
			writes = append(writes, w)
		default:
			return writes
		}
	}
	return writes
}

// update returns when the change is on disk.
func (s *store) update(change func(*bbolt.Tx) error) error {
	w := write{change: change, done: make(chan error, 1)}
	select {
	case s.queue <- w:
	case <-s.stop:
		return ErrClosed
	}
	if err := <-w.done; err != nil {
		return fmt.Errorf("wallet: write: %w", err)
	}
	return nil
}

// close waits for what is being written.
func (s *store) close() error {
	close(s.stop)
	<-s.ended
	return s.db.Close()
}

func channelKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func put(tx *bbolt.Tx, bucket, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, data)
}

func putRecord(tx *bbolt.Tx, r record) error {
	return put(tx, bucketChannels(), channelKey(r.ID), r)
}

// contents are all that a wallet keeps.
type contents struct {
	totals   totals
	records  []record
	intents  []intent
	existing bool // it was written before
}

func (s *store) read() (contents, error) {
	var c contents
	err := s.db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(bucketWallet()) == nil {
			return nil
		}
		if data := tx.Bucket(bucketWallet()).Get(keyTotals()); data != nil {
			c.existing = true
			if err := decode(data, &c.totals); err != nil {
				return err
			}
		}
		err := tx.Bucket(bucketChannels()).ForEach(func(_, data []byte) error {
			var r record
			err := decode(data, &r)
			c.records = append(c.records, r)
			return err
		})
		if err != nil {
			return err
		}
		return tx.Bucket(bucketIntents()).ForEach(func(_, data []byte) error {
			var i intent
			err := decode(data, &i)
			c.intents = append(c.intents, i)
			return err
		})
	})
	if err != nil {
		return contents{}, fmt.Errorf("wallet: read: %w", err)
	}
	return c, nil
}

func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
