package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Kind is what an alert is about.
type Kind string

// The kinds.
const (
	WeightsLate       Kind = "weights_late"       // the epoch is about to end without weights, or has
	TrustFalling      Kind = "trust_falling"      // the validator's trust fell by a fifth or more
	ChainBehind       Kind = "chain_behind"       // the node gives no answer, or no new blocks
	ChallengeFailures Kind = "challenge_failures" // most questions got no answer, or the mechanism failed
	Deregistered      Kind = "deregistered"       // the hotkey has lost its uid
	SubnetStopped     Kind = "subnet_stopped"     // a subnet is not validated any more
)

// ErrURL is wrapped for what is no webhook.
var ErrURL = errors.New("webhook")

// Alert is one message.
type Alert struct {
	Kind     Kind      `json:"kind"`
	Netuid   uint32    `json:"netuid"`
	Hotkey   string    `json:"hotkey"`
	Message  string    `json:"message"`
	Time     time.Time `json:"time"`
	HeldBack int       `json:"held_back"` // alerts of the kind and subnet since the last one sent
}

// Options tune a Sender. A zero field takes the default.
type Options struct {
	Interval time.Duration // between two alerts of a kind and subnet; 10 min
	Timeout  time.Duration // for one attempt; 10 s
	Attempts int           // 6
	Pause    time.Duration // before the second attempt, doubled before each next; 2 s
	Queue    int           // alerts that wait to be sent; 64
	Client   *http.Client  // http.DefaultClient
	Log      *slog.Logger  // silent when nil
	Now      func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Interval <= 0 {
		o.Interval = 10 * time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.Pause <= 0 {
		o.Pause = 2 * time.Second
	}
	if o.Queue <= 0 {
		o.Queue = 64
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

type subject struct {
	kind   Kind
	netuid uint32
}

type last struct {
	sent time.Time
	held int
}

// Sender sends alerts. A nil Sender only drops them. It is safe for concurrent use.
type Sender struct {
	url     string
	options Options
	queue   chan Alert

	mu   sync.Mutex
	last map[subject]last
}

// New returns a sender to a webhook; an empty address gives one that only logs.
func New(address string, o Options) (*Sender, error) {
	if address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%w: want an http or https URL", ErrURL) // it may hold a secret: do not repeat it
		}
	}
	o = o.withDefaults()
	return &Sender{url: address, options: o, queue: make(chan Alert, o.Queue), last: map[subject]last{}}, nil
}

// Send logs an alert and queues it, unless one of its kind and subnet was sent not long ago. It returns at once.
func (s *Sender) Send(a Alert) {
	if s == nil {
		return
	}
	now := s.options.Now()
	a.Time = now
	s.mu.Lock()
	defer s.mu.Unlock()
	about := subject{a.Kind, a.Netuid}
	before, known := s.last[about]
	if known && now.Sub(before.sent) < s.options.Interval {
		before.held++
		s.last[about] = before
		return
	}
	a.HeldBack = before.held
	s.last[about] = last{sent: now}
	s.options.Log.Warn("alert", "kind", a.Kind, "netuid", a.Netuid, "message", a.Message, "held_back", a.HeldBack)
	if s.url == "" {
		return
	}
	select {
	case s.queue <- a:
	default:
		s.options.Log.Error("alert dropped: the webhook is too slow", "kind", a.Kind, "netuid", a.Netuid)
	}
}

// Run sends what is queued until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-s.queue:
			if err := s.deliver(ctx, a); err != nil && ctx.Err() == nil {
				s.options.Log.Error("alert not delivered", "kind", a.Kind, "netuid", a.Netuid, "error", err)
			}
		}
	}
}

// deliver posts one alert, as often as it takes and may.
func (s *Sender) deliver(ctx context.Context, a Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	pause := s.options.Pause
	for attempt := 1; ; attempt++ {
		if err = s.post(ctx, body); err == nil || attempt == s.options.Attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (s *Sender) post(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return ErrURL
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.options.Client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a secret
		}
		return fmt.Errorf("%w: %w", ErrURL, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%w: it answered %s", ErrURL, resp.Status)
	}
	return nil
}
