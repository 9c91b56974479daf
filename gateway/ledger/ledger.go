package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

var (
	// ErrBudget: the key has spent, or set aside, too much for another call. The error says when there is more.
	ErrBudget = errors.New("budget is spent")
	// ErrLocked: another gateway writes to this ledger.
	ErrLocked = errors.New("ledger is in use")
	// ErrWrite: the disk does not take what is to be kept. Nothing may be spent then.
	ErrWrite = errors.New("ledger cannot be written")
)

// Options tune a ledger. A zero field takes the default.
type Options struct {
	SegmentBytes int64            // after which a new segment is begun; 16 MiB
	MaxBytes     int64            // of all segments together; the oldest go; 1 GiB
	Sync         time.Duration    // between two moments at which everything is on the disk; 100 ms
	Now          func() time.Time // time.Now
	Log          *slog.Logger     // silent when nil
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 16 << 20
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.Sync <= 0 {
		o.Sync = 100 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Account is who spends, and how much at most; 0 is no bound.
type Account struct {
	KeyID string
	Key   string // name
	Total uint64 // nplx, ever
	Day   uint64 // nplx, per day of UTC
}

// Ledger is safe for concurrent use.
type Ledger struct {
	folder  string
	options Options
	lock    *os.File
	stop    chan struct{}
	synced  sync.WaitGroup

	mu       sync.Mutex
	file     *os.File // the last segment
	number   uint64   // of it
	size     int64
	dirty    bool
	unsaved  [][]byte // lines that the disk has not taken yet
	next     uint64
	accounts map[string]*account
	open     map[uint64]opened
	closed   bool
}

type account struct {
	sums
	held uint64 // set aside for calls in hand
}

// Open opens the ledger in a folder, which is made where there is none. Calls that were in hand when a program was killed
// are settled with what they may have cost at most. Errors wrap ErrLocked and ErrCorrupt.
func Open(folder string, o Options) (*Ledger, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: %s: another gateway writes to it; stop that one, or give this one a folder of its own: %w", ErrLocked, folder, err)
	}
	l := &Ledger{folder: folder, options: o.withDefaults(), lock: lock, stop: make(chan struct{}), next: 1,
		accounts: map[string]*account{}, open: map[uint64]opened{}}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.release())
	}
	l.synced.Go(l.syncNowAndThen)
	return l, nil
}

func (l *Ledger) release() error {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	return errors.Join(err, l.lock.Close())
}

// load reads the last segment, which holds what all came to.
func (l *Ledger) load() error {
	paths, err := segments(l.folder)
	if err != nil {
		return err
	}
	if len(paths) > 0 {
		if err := l.resume(paths[len(paths)-1]); err != nil {
			return err
		}
	} else if err := l.rotate(); err != nil {
		return err
	}
	return l.settleLost()
}

// resume reads a segment and goes on writing it.
func (l *Ledger) resume(path string) error {
	first := true
	good, err := scan(path, func(r record) error {
		if first != (r.Head != nil) {
			return fmt.Errorf("%w: %s does not begin with its sums", ErrCorrupt, path)
		}
		first = false
		return l.replay(r)
	})
	if err != nil {
		return err
	}
	if first {
		return fmt.Errorf("%w: %s is empty", ErrCorrupt, path) // it is in place only once its sums are in it
	}
	if l.number, err = segmentNumber(path); err != nil {
		return err
	}
	if l.file, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := l.file.Truncate(good); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	l.size = good
	return nil
}

// replay takes a record into account.
func (l *Ledger) replay(r record) error {
	switch {
	case r.Head != nil:
		if r.Head.Version != version {
			return fmt.Errorf("ledger %s is of version %d; this program reads version %d", l.folder, r.Head.Version, version)
		}
		l.next = r.Head.Next
		for id, s := range r.Head.Accounts {
			l.accounts[id] = &account{sums: s}
		}
		for _, o := range r.Head.Open {
			l.open[o.Seq] = o
		}
	case r.Open != nil:
		l.open[r.Open.Seq] = *r.Open
		l.next = max(l.next, r.Open.Seq+1)
	case r.Close != nil:
		delete(l.open, r.Close.Seq)
		for _, e := range r.Close.Entries {
			l.account(e.KeyID).spend(e)
		}
	}
	return nil
}

// settleLost settles what was in hand when the last program ended.
func (l *Ledger) settleLost() error {
	var lost []opened
	for _, o := range l.open {
		lost = append(lost, o)
	}
	slices.SortFunc(lost, func(a, b opened) int { return int(int64(a.Seq - b.Seq)) })
	for _, o := range lost {
		e := Entry{Seq: o.Seq, Time: l.now(), Key: o.Key, KeyID: o.KeyID, Uncertain: o.Limit, Status: StatusUnknown}
		if err := l.write(record{Close: &closed{Seq: o.Seq, Entries: []Entry{e}}}); err != nil {
			return err
		}
		delete(l.open, o.Seq)
		l.account(o.KeyID).spend(e)
	}
	if len(lost) > 0 {
		l.options.Log.Warn("calls were in hand when the gateway ended; they count with what they may have cost at most", "calls", len(lost))
	}
	return nil
}

func (l *Ledger) now() time.Time { return l.options.Now().UTC() }

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// account returns the account of a key. The caller holds the lock.
func (l *Ledger) account(id string) *account {
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		l.accounts[id] = a
	}
	return a
}

// spend adds an entry to the sums, which stay at their largest when they would pass it.
func (a *account) spend(e Entry) {
	if day := dayOf(e.Time); day > a.Day {
		a.Day, a.Today = day, 0
	}
	cost := add(e.Charged, e.Uncertain)
	a.Total, a.Today = add(a.Total, cost), add(a.Today, cost)
}

func add(a, b uint64) uint64 {
	if sum := a + b; sum >= a {
		return sum
	}
	return 1<<64 - 1
}

// today is what was spent on a day.
func (a *account) today(day int64) uint64 {
	if a.Day < day {
		return 0
	}
	return a.Today
}

// Hold is money that was set aside for one request. It must be settled, or entered and freed. It is safe for concurrent
// use.
type Hold struct {
	ledger *Ledger
	opened
	left uint64 // of what was set aside
}

// Seq is the request's number.
func (h *Hold) Seq() uint64 { return h.opened.Seq }

// Limit is what was set aside, nplx.
func (h *Hold) Limit() uint64 { return h.opened.Limit }

// Begin sets money aside for a request: most nplx, or what is left of the budget where that is less, but not less than
// least. It fails with ErrBudget where there is not so much left, and with ErrWrite where the ledger cannot be written:
// nothing may be spent then.
func (l *Ledger) Begin(who Account, least, most uint64) (*Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	a := l.account(who.KeyID)
	left, err := a.left(who, dayOf(now))
	if least > left {
		return nil, fmt.Errorf("%w, and this call may cost %d", err, least)
	}
	o := opened{Seq: l.next, Time: now, Key: who.Key, KeyID: who.KeyID, Limit: min(most, left)}
	if err := l.write(record{Open: &o}); err != nil {
		return nil, err
	}
	l.next++
	a.held = add(a.held, o.Limit)
	l.open[o.Seq] = o
	return &Hold{ledger: l, opened: o, left: o.Limit}, nil
}

// left is how much may still be set aside, and what to say where that is too little.
func (a *account) left(who Account, day int64) (uint64, error) {
	left, err := uint64(1<<64-1), error(nil)
	if used := add(a.Total, a.held); who.Total > 0 {
		left = who.Total - min(who.Total, used)
		err = fmt.Errorf("%w: key %q may spend %d nplx in all, has spent %d and set %d aside for calls in hand", ErrBudget, who.Key, who.Total, a.Total, a.held)
	}
	if used := add(a.today(day), a.held); who.Day > 0 && who.Day-min(who.Day, used) < left {
		left = who.Day - min(who.Day, used)
		err = fmt.Errorf("%w: key %q may spend %d nplx a day, has spent %d today and set %d aside for calls in hand; a new day begins at 00:00 UTC", ErrBudget, who.Key, who.Day, a.today(day), a.held)
	}
	return left, err
}

// Settle puts what the request came to into the ledger and frees what was set aside: Enter, then Free.
func (h *Hold) Settle(entries ...Entry) error {
	defer h.Free()
	return h.Enter(entries...)
}

// Enter puts into the ledger what the request came to so far; what is left of the sum set aside stays so until Free.
// Sequence number, key and time are filled in. An error wraps ErrWrite: the entries count, and are written as soon as the
// disk takes them.
func (h *Hold) Enter(entries ...Entry) error {
	l := h.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(h.KeyID)
	now := l.now()
	for i := range entries {
		e := &entries[i]
		e.Seq, e.Time, e.Key, e.KeyID = h.opened.Seq, now, h.Key, h.KeyID
		a.spend(*e)
		used := min(h.left, add(e.Charged, e.Uncertain))
		h.left -= used
		a.held -= used
	}
	delete(l.open, h.opened.Seq)
	line, err := record{Close: &closed{Seq: h.opened.Seq, Entries: entries}}.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	l.unsaved = append(l.unsaved, line)
	if err := l.save(); err != nil {
		return err
	}
	if l.size >= l.options.SegmentBytes {
		return l.rotate()
	}
	return nil
}

// Free frees what is still set aside. Freeing twice does nothing.
func (h *Hold) Free() {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	h.ledger.account(h.KeyID).held -= h.left
	h.left = 0
}

// write adds a record to the last segment. The caller holds the lock.
func (l *Ledger) write(r record) error {
	if err := l.save(); err != nil {
		return err
	}
	line, err := r.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return l.append(line)
}

// save writes what the disk did not take before.
func (l *Ledger) save() error {
	for len(l.unsaved) > 0 {
		if err := l.append(l.unsaved[0]); err != nil {
			return err
		}
		l.unsaved = l.unsaved[1:]
	}
	return nil
}

// append writes a line, the whole of it or nothing.
func (l *Ledger) append(line []byte) error {
	if l.closed {
		return fmt.Errorf("%w: closed", ErrWrite)
	}
	if _, err := l.file.WriteAt(line, l.size); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, errors.Join(err, l.file.Truncate(l.size)))
	}
	l.size += int64(len(line))
	l.dirty = true
	return nil
}

// rotate begins a new segment with all sums, and drops the oldest where there is too much. The caller holds the lock.
func (l *Ledger) rotate() error {
	h := head{Version: version, Next: l.next, Accounts: map[string]sums{}}
	for id, a := range l.accounts {
		h.Accounts[id] = a.sums
	}
	for _, o := range l.open {
		h.Open = append(h.Open, o)
	}
	line, err := record{Head: &h}.encode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	next, err := l.begin(filepath.Join(l.folder, segmentName(l.number+1)), line)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	if l.file != nil {
		if err := errors.Join(l.file.Sync(), l.file.Close()); err != nil {
			l.options.Log.Error("close a segment of the ledger", "error", err)
		}
	}
	l.file, l.number, l.size, l.dirty = next, l.number+1, int64(len(line)), false
	return l.prune()
}

// begin writes the first line of a segment before it is in its place: a segment without its sums is never met.
func (l *Ledger) begin(path string, line []byte) (*os.File, error) {
	file, err := os.CreateTemp(l.folder, ".segment-")
	if err != nil {
		return nil, err
	}
	_, writeErr := file.Write(line)
	if err := errors.Join(writeErr, file.Sync(), os.Rename(file.Name(), path)); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	return file, nil
}

// prune drops the oldest segments while all together are too large; the last one stays.
func (l *Ledger) prune() error {
	paths, err := segments(l.folder)
	if err != nil {
		return err
	}
	sizes, total := make([]int64, len(paths)), int64(0)
	for i, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		sizes[i] = info.Size()
		total += sizes[i]
	}
	for i := 0; i < len(paths)-1 && total > l.options.MaxBytes; i++ {
		if err := os.Remove(paths[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("ledger: %w", err)
		}
		total -= sizes[i]
		l.options.Log.Info("dropped the oldest part of the ledger", "file", filepath.Base(paths[i]), "bytes", sizes[i])
	}
	return nil
}

// syncNowAndThen brings to the disk what was written.
func (l *Ledger) syncNowAndThen() {
	ticker := time.NewTicker(l.options.Sync)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		err := l.save()
		file, dirty := l.file, l.dirty
		l.dirty = false
		l.mu.Unlock()
		if dirty { // nobody waits for it; a segment that is closed meanwhile was synced by whoever closed it
			if syncErr := file.Sync(); !errors.Is(syncErr, os.ErrClosed) {
				err = errors.Join(err, syncErr)
			}
		}
		if err != nil {
			l.options.Log.Error("write the ledger", "error", err)
		}
	}
}

// Spent is what a key has spent, uncertain sums included, and what is set aside for its calls in hand, nplx.
type Spent struct {
	Total uint64 `json:"total"`
	Today uint64 `json:"today"`
	Held  uint64 `json:"held"`
}

// Spent returns what a key has spent.
func (l *Ledger) Spent(keyID string) Spent {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[keyID]
	if a == nil {
		return Spent{}
	}
	return Spent{Total: a.Total, Today: a.today(dayOf(l.now())), Held: a.held}
}

// Ready returns why nothing may be spent now, or nil.
func (l *Ledger) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("%w: closed", ErrWrite)
	}
	return l.save()
}

// Close brings everything to the disk and ends the ledger.
func (l *Ledger) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	err := l.save()
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.synced.Wait()
	return errors.Join(err, l.file.Sync(), l.release())
}

// Sums returns what each key has spent, by its id, as the ledger in a folder has it, which may be open.
func Sums(folder string, now time.Time) (map[string]Spent, error) {
	paths, err := segments(folder)
	if err != nil || len(paths) == 0 {
		return nil, err
	}
	l := &Ledger{folder: folder, accounts: map[string]*account{}, open: map[uint64]opened{}}
	if _, err := scan(paths[len(paths)-1], l.replay); err != nil {
		return nil, err
	}
	out := map[string]Spent{}
	for id, a := range l.accounts {
		out[id] = Spent{Total: a.Total, Today: a.today(dayOf(now))}
	}
	for _, o := range l.open {
		s := out[o.KeyID]
		s.Held = add(s.Held, o.Limit)
		out[o.KeyID] = s
	}
	return out, nil
}
