package till

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/plexusnet/plexus/payment"
)

var (
	// ErrCorrupt: the store is damaged.
	ErrCorrupt = errors.New("the till's store is damaged")
	// ErrBusy: another process has the store open.
	ErrBusy = errors.New("the till's store is in use by another process")
	// ErrReadable: others may read the store.
	ErrReadable = errors.New("the till's store can be read by others")
	// ErrForeign: the store is of another chain or hotkey.
	ErrForeign = errors.New("the till's store is of another chain or hotkey")
)

const (
	storeMode = 0o600
	lockWait  = 2 * time.Second
)

// store is the file that vouchers are kept in:
//
//	till     owner    chain id and hotkey that it is for
//	         past     totals of the channels that are no more (JSON)
//	channels id       parties and deposit of a channel (JSON)
//	lanes    id lane  voucher, what is owed and what was redeemed; see laneRecord
type store struct {
	db   *bbolt.DB
	path string
}

var (
	bucketTill     = []byte("till")
	bucketChannels = []byte("channels")
	bucketLanes    = []byte("lanes")
	keyOwner       = []byte("owner")
	keyPast        = []byte("past")
)

// channelRecord is a channel as it is stored.
type channelRecord struct {
	Payer  string          `json:"payer"`
	Seen   uint64          `json:"seen"` // height
	Known  payment.Channel `json:"channel"`
	Hotkey string          `json:"hotkey"`
}

// past is what is left of channels that ended. Amounts are nplx.
type past struct {
	Channels uint64 `json:"channels"`
	Redeemed uint64 `json:"redeemed"`
	Owed     uint64 `json:"owed"`
	Signed   uint64 `json:"signed"`
	Lost     uint64 `json:"lost"` // signed, and not redeemed in time
}

// openStore opens a file, and makes it where there is none.
func openStore(path, owner string) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("till: %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	// Who is free of a transaction is found by reading, not kept: it is small, and the till starts seldom.
	s, err := openFile(path, &bbolt.Options{Timeout: lockWait, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 16 << 20})
	if err != nil {
		return nil, err
	}
	if err := s.claim(owner); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// private refuses a file that others may read.
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("till: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("till: %s is no file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s (%v): run chmod 600 on it", ErrReadable, path, info.Mode().Perm())
	}
	return nil
}

// openFile opens the file. bbolt maps it into memory and trusts what its pages say, so that damage may show as a panic.
func openFile(path string, options *bbolt.Options) (s *store, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			s, err = nil, fmt.Errorf("%w: %s: %v", ErrCorrupt, path, fault)
		}
	}()
	db, err := bbolt.Open(path, storeMode, options)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s: end the other miner, or give this one a store of its own", ErrBusy, path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("till: %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %s: %w; keep the file, it holds money: move it away and start with another, then redeem what can be read", ErrCorrupt, path, err)
	}
	return &store{db: db, path: path}, nil
}

// claim makes the buckets, and writes whom the store is for or compares.
func (s *store) claim(owner string) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketTill, bucketChannels, bucketLanes} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return fmt.Errorf("till: %w", err)
			}
		}
		b := tx.Bucket(bucketTill)
		if written := b.Get(keyOwner); written != nil && string(written) != owner {
			return fmt.Errorf("%w: %s is for %s, wanted %s: give each its own", ErrForeign, s.path, written, owner)
		}
		return b.Put(keyOwner, []byte(owner))
	})
}

// load reads all channels with their lanes, and the totals of those that ended.
func (s *store) load() (channels []*channel, gone past, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %s: %v", ErrCorrupt, s.path, fault)
		}
	}()
	err = s.db.View(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketTill, bucketChannels, bucketLanes} {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: %s has no %s", ErrCorrupt, s.path, name)
			}
		}
		if raw := tx.Bucket(bucketTill).Get(keyPast); raw != nil {
			if err := json.Unmarshal(raw, &gone); err != nil {
				return fmt.Errorf("%w: %s: totals: %w", ErrCorrupt, s.path, err)
			}
		}
		byID := map[uint64]*channel{}
		if err := tx.Bucket(bucketChannels).ForEach(func(key, raw []byte) error {
			c, err := readChannel(key, raw)
			if err != nil {
				return fmt.Errorf("%w: %s: channel %x: %w", ErrCorrupt, s.path, key, err)
			}
			byID[c.id], channels = c, append(channels, c)
			return nil
		}); err != nil {
			return err
		}
		return tx.Bucket(bucketLanes).ForEach(func(key, raw []byte) error {
			if err := readLane(byID, key, raw); err != nil {
				return fmt.Errorf("%w: %s: lane %x: %w", ErrCorrupt, s.path, key, err)
			}
			return nil
		})
	})
	return channels, gone, err
}

// save writes records in one transaction, which is on disk when it returns.
func (s *store) save(records []record) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range records {
			bucket := tx.Bucket(r.bucket)
			if r.value == nil {
				if err := bucket.Delete(r.key); err != nil {
					return err
				}
				continue
			}
			if err := bucket.Put(r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write to the till's store %s: %w", s.path, err)
	}
	return nil
}

func (s *store) close() error { return s.db.Close() }

// size returns the bytes of the file.
func (s *store) size() int64 {
	var n int64
	if s.db.View(func(tx *bbolt.Tx) error { n = tx.Size(); return nil }) != nil {
		return 0
	}
	return n
}

// record is a key and its value; nil deletes it.
type record struct{ bucket, key, value []byte }

func channelKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

func laneKey(channel uint64, lane uint32) []byte {
	return binary.BigEndian.AppendUint32(channelKey(channel), lane)
}

// record returns what is stored of a channel. The caller holds mu.
func (c *channel) record() (record, error) {
	value, err := json.Marshal(channelRecord{Payer: c.payer, Hotkey: c.known.Hotkey, Seen: c.seen, Known: c.known.Channel})
	return record{bucketChannels, channelKey(c.id), value}, err
}

func readChannel(key, raw []byte) (*channel, error) {
	var r channelRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	if len(key) != 8 || binary.BigEndian.Uint64(key) != r.Known.ID {
		return nil, errors.New("it is stored under another's number")
	}
	c := newChannel(Channel{Channel: r.Known, Payer: r.Payer, Hotkey: r.Hotkey})
	c.kept = true
	return c, nil
}

const (
	laneVersion = 1
	laneLength  = 1 + payment.VoucherSize + 3*8 + 4
)

// record returns what is stored of a lane: version (1), the best voucher (92, zero where there is none), what is owed,
// what was redeemed and its nonce (8 each), and a CRC-32C of all that, big-endian. The caller holds the channel's mu.
func (l *lane) record() (record, error) {
	value := make([]byte, 1+payment.VoucherSize, laneLength)
	value[0] = laneVersion
	if len(l.voucher.Signature) > 0 {
		raw, err := l.voucher.MarshalBinary()
		if err != nil {
			return record{}, err
		}
		copy(value[1:], raw)
	}
	for _, n := range []uint64{l.owed, l.redeemed, l.settled} {
		value = binary.BigEndian.AppendUint64(value, n)
	}
	value = binary.BigEndian.AppendUint32(value, crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli)))
	return record{bucketLanes, laneKey(l.channel.id, l.id), value}, nil
}

func readLane(channels map[uint64]*channel, key, raw []byte) error {
	if len(key) != 12 || len(raw) != laneLength || raw[0] != laneVersion {
		return fmt.Errorf("a key of %d and a record of %d bytes, want 12 and %d of version %d", len(key), len(raw), laneLength, laneVersion)
	}
	body, sum := raw[:laneLength-4], binary.BigEndian.Uint32(raw[laneLength-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return errors.New("the checksum is wrong")
	}
	c := channels[binary.BigEndian.Uint64(key)]
	if c == nil {
		return errors.New("there is no such channel")
	}
	l := &lane{channel: c, id: binary.BigEndian.Uint32(key[8:])}
	numbers := body[1+payment.VoucherSize:]
	l.owed, l.redeemed, l.settled = binary.BigEndian.Uint64(numbers), binary.BigEndian.Uint64(numbers[8:]), binary.BigEndian.Uint64(numbers[16:])
	var v payment.Voucher
	if err := v.UnmarshalBinary(body[1 : 1+payment.VoucherSize]); err != nil {
		return err
	}
	if v.Nonce > 0 {
		if v.Channel != c.id || v.Lane != l.id {
			return errors.New("the voucher is of another lane")
		}
		l.voucher = v
	}
	l.signed, l.nonce = max(l.voucher.Amount, l.redeemed), max(l.voucher.Nonce, l.settled)
	c.lanes[l.id] = l
	return nil
}

func newChannel(known Channel) *channel {
	return &channel{id: known.ID, payer: known.Payer, key: known.VoucherKey, known: known, lanes: map[uint32]*lane{}}
}
