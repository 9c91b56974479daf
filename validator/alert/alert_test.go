package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

// hook is a webhook that fails as often as it is told to.
type hook struct {
	mu    sync.Mutex
	fail  int
	asked int
	got   []Alert
}

func (h *hook) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.fail > 0 {
		h.fail--
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	}
	var a Alert
	if err := json.NewDecoder(req.Body).Decode(&a); err == nil && req.Method == http.MethodPost {
		h.got = append(h.got, a)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *hook) received() []Alert {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Alert(nil), h.got...)
}

func running(t *testing.T, h *hook, o Options) *Sender {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Client, o.Pause = server.Client(), time.Millisecond
	s, err := New(server.URL+"/secret", o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done; server.Client().CloseIdleConnections() })
	return s
}

func TestAnAlertIsSentUntilItIsTaken(t *testing.T) {
	h := &hook{fail: 3}
	s := running(t, h, Options{})
	s.Send(Alert{Kind: WeightsLate, Netuid: 3, Hotkey: "h", Message: "hurry"})
	require.Eventually(t, func() bool { return len(h.received()) == 1 }, 10*time.Second, time.Millisecond)
	got := h.received()[0]
	require.WithinDuration(t, time.Now(), got.Time, time.Minute)
	got.Time = time.Time{}
	require.Equal(t, Alert{Kind: WeightsLate, Netuid: 3, Hotkey: "h", Message: "hurry"}, got)
}

func TestAttemptsAreBounded(t *testing.T) {
	h := &hook{fail: 1000}
	var text bytes.Buffer
	s := running(t, h, Options{Attempts: 4})
	s.options.Log = slog.New(slog.NewTextHandler(&text, nil))
	require.Error(t, s.deliver(t.Context(), Alert{}))
	require.Equal(t, 4, h.asked)
	require.NotContains(t, text.String(), "secret")
}

func TestTheSameIsNotSaidAgainAndAgain(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	h := &hook{}
	s := running(t, h, Options{Interval: time.Minute, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	for range 5 {
		s.Send(Alert{Kind: ChainBehind, Netuid: 1})
	}
	s.Send(Alert{Kind: ChainBehind, Netuid: 2})
	s.Send(Alert{Kind: TrustFalling, Netuid: 1})
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	s.Send(Alert{Kind: ChainBehind, Netuid: 1})
	require.Eventually(t, func() bool { return len(h.received()) == 4 }, 10*time.Second, time.Millisecond)
	require.Equal(t, 4, h.received()[3].HeldBack)
}

func TestTheQueueIsBounded(t *testing.T) {
	s, err := New("http://127.0.0.1:1/x", Options{Queue: 2})
	require.NoError(t, err)
	for netuid := range uint32(10) {
		s.Send(Alert{Kind: ChainBehind, Netuid: netuid})
	}
	require.Len(t, s.queue, 2)
	var none *Sender
	none.Send(Alert{})
}

func TestBadWebhooks(t *testing.T) {
	for _, address := range []string{"hooks.example/x", "ftp://hooks.example", "http://", "://secret"} {
		_, err := New(address, Options{})
		require.ErrorIs(t, err, ErrURL)
		require.NotContains(t, err.Error(), "secret")
	}
	s, err := New("", Options{})
	require.NoError(t, err)
	s.Send(Alert{Kind: ChainBehind})
	require.Empty(t, s.queue)
}
