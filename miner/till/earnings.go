package till

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// Earnings are what a till has taken and what it still has to get. Amounts are nplx; the sums include channels that have
// ended.
type Earnings struct {
	Running  bool           `json:"running"`          // as the running miner says; else as the store says
	Height   uint64         `json:"height,omitempty"` // of the chain, at the last look
	Lanes    []LaneEarnings `json:"lanes"`            // of the channels that have not ended, by channel and lane
	Ended    EndedEarnings  `json:"ended"`            // of those that have
	Signed   uint64         `json:"signed"`
	Owed     uint64         `json:"owed"`
	Redeemed uint64         `json:"redeemed"`
	Pending  uint64         `json:"pending"` // signed, not redeemed yet
	Lost     uint64         `json:"lost"`    // signed, and not redeemed in time
	Late     int            `json:"late"`    // channels about to end that still have something pending
}

// LaneEarnings is one lane of a channel.
type LaneEarnings struct {
	Channel  uint64 `json:"channel"`
	Lane     uint32 `json:"lane"`
	Payer    string `json:"payer"`
	Nonce    uint64 `json:"nonce"` // of the last voucher
	Signed   uint64 `json:"signed"`
	Owed     uint64 `json:"owed"`
	Reserved uint64 `json:"reserved"` // by requests in hand
	Redeemed uint64 `json:"redeemed"`
	Pending  uint64 `json:"pending"`
	Deposit  uint64 `json:"deposit"` // of the channel, for all its lanes
	Ends     uint64 `json:"ends"`    // height
	Closing  bool   `json:"closing"` // a side has closed it
	Late     bool   `json:"late"`
}

// EndedEarnings sums up channels that have ended.
type EndedEarnings = past

// Earnings returns how the till stands.
func (t *Till) Earnings() Earnings {
	t.mu.Lock()
	gone := t.past
	t.mu.Unlock()
	e := sumUp(t.book.all(), gone)
	e.Running, e.Height = true, t.height.Load()
	return e
}

func sumUp(channels []*channel, gone past) Earnings {
	e := Earnings{Lanes: []LaneEarnings{}, Ended: gone, Signed: gone.Signed, Owed: gone.Owed, Redeemed: gone.Redeemed, Lost: gone.Lost}
	for _, c := range channels {
		c.mu.Lock()
		late := c.late && c.pending() > 0
		if late {
			e.Late++
		}
		for _, id := range slices.Sorted(maps.Keys(c.lanes)) {
			l := c.lanes[id]
			if !c.kept || c.gone {
				continue
			}
			e.Lanes = append(e.Lanes, LaneEarnings{Channel: c.id, Lane: id, Payer: c.payer, Nonce: l.nonce, Signed: l.signed, Owed: l.owed,
				Reserved: l.reserved, Redeemed: l.redeemed, Pending: l.pending(), Deposit: c.known.Deposit, Ends: c.known.End(),
				Closing: c.known.ClosesAt != 0, Late: late})
			e.Signed, e.Owed = add(e.Signed, l.signed), add(e.Owed, l.owed)
			e.Redeemed, e.Pending = add(e.Redeemed, l.redeemed), add(e.Pending, l.pending())
		}
		c.mu.Unlock()
	}
	return e
}

// ErrNoStore: there is no store at the path.
var ErrNoStore = errors.New("there is no till")

// ReadEarnings returns how the till of a store stands: as the miner says that has it open, or as the file says where none
// has. Errors: ErrNoStore, ErrReadable, ErrCorrupt.
func ReadEarnings(ctx context.Context, path string) (Earnings, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return Earnings{}, fmt.Errorf("%w at %s", ErrNoStore, path)
	}
	if err := private(path); err != nil {
		return Earnings{}, err
	}
	if e, err := askEarnings(ctx, path); err == nil {
		return e, nil
	}
	s, err := openFile(path, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return Earnings{}, err
	}
	channels, gone, err := s.load()
	return sumUp(channels, gone), errors.Join(err, s.close())
}

// socket is where a running miner answers for its store: a Unix socket beside it, for those who may read the store.
func socket(path string) string { return path + ".sock" }

// ServeEarnings answers ReadEarnings until ctx ends.
func (t *Till) ServeEarnings(ctx context.Context) error {
	path := socket(t.store.path)
	// The store is ours alone, so that a socket that is there is left over from one who was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("till: %w", err)
	}
	lis, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("till: answer for the store: %w", err)
	}
	if err := os.Chmod(path, storeMode); err != nil {
		return errors.Join(fmt.Errorf("till: %w", err), lis.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /earnings", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(t.Earnings()); err != nil {
			t.cfg.Log.Debug("answering for the till", "error", err)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("till: answer for the store: %w", err)
	}
	return nil
}

// maxEarningsBytes bounds what is read of a running miner's answer.
const maxEarningsBytes = 64 << 20

func askEarnings(ctx context.Context, path string) (Earnings, error) {
	var e Earnings
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "unix", socket(path))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://till/earnings", nil)
	if err != nil {
		return e, err
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return e, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return e, fmt.Errorf("the running miner answers %s", resp.Status)
	}
	return e, json.NewDecoder(io.LimitReader(resp.Body, maxEarningsBytes)).Decode(&e)
}
