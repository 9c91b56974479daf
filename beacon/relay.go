package beacon

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/plexusnet/plexus/chain/timelock"
)

// What a zero Relay means.
const (
	DefaultTimeout = 10 * time.Second
	// maxAnswerBytes bounds what is read of an answer.
	maxAnswerBytes = 64 << 10
	// scheme is the only one that the chain verifies.
	scheme = "bls-unchained-g1-rfc9380"
)

var (
	// ErrWrongBeacon is returned where a source is not the chain's beacon.
	ErrWrongBeacon = errors.New("wrong beacon")
	// ErrSource is returned where a source gives no answer or a wrong one.
	ErrSource = errors.New("beacon source failed")
)

// Relay takes rounds from an HTTP endpoint of drand: GET URL/info and
// URL/public/ROUND. The URL of an endpoint that serves several networks ends in
// the chain hash of the one that is meant.
type Relay struct {
	URL     string
	Client  *http.Client  // nil: http.DefaultClient
	Timeout time.Duration // per request; 0: DefaultTimeout
}

// Check compares the network that the endpoint serves with the chain's
// parameters.
func (r Relay) Check(ctx context.Context, publicKey []byte, s timelock.Schedule) error {
	var info struct {
		PublicKey string `json:"public_key"`
		Period    uint64 `json:"period"`
		Genesis   int64  `json:"genesis_time"`
		Scheme    string `json:"schemeID"`
	}
	if err := r.get(ctx, "info", &info); err != nil {
		return err
	}
	if info.Scheme != scheme {
		return fmt.Errorf("%s has scheme %q, the chain verifies %q: %w", r.URL, info.Scheme, scheme, ErrWrongBeacon)
	}
	if want := hex.EncodeToString(publicKey); !strings.EqualFold(info.PublicKey, want) {
		return fmt.Errorf("%s has public key %.200s, the chain's beacon is %s: %w", r.URL, info.PublicKey, want, ErrWrongBeacon)
	}
	if info.Period != s.Period || info.Genesis != s.Genesis {
		return fmt.Errorf("%s has a round every %d s since %d, the chain's parameters say %d s since %d: %w",
			r.URL, info.Period, info.Genesis, s.Period, s.Genesis, ErrWrongBeacon)
	}
	return nil
}

// Round fetches a round's signature. It is not verified yet.
func (r Relay) Round(ctx context.Context, round uint64) ([]byte, error) {
	var pulse struct {
		Round     uint64 `json:"round"`
		Signature string `json:"signature"`
	}
	if err := r.get(ctx, "public/"+strconv.FormatUint(round, 10), &pulse); err != nil {
		return nil, err
	}
	if pulse.Round != round {
		return nil, fmt.Errorf("%s answered with round %d to a question for %d: %w", r.URL, pulse.Round, round, ErrSource)
	}
	signature, err := hex.DecodeString(pulse.Signature)
	if err != nil {
		return nil, fmt.Errorf("%s: signature of round %d is not hexadecimal: %w", r.URL, round, ErrSource)
	}
	return signature, nil
}

func (r Relay) get(ctx context.Context, path string, into any) error {
	timeout := r.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	url := strings.TrimRight(r.URL, "/") + "/" + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("beacon URL: %w", err)
	}
	client := r.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %w", url, resp.Status, ErrSource)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerBytes)).Decode(into); err != nil {
		return fmt.Errorf("%s: answer: %w: %w", url, ErrSource, err)
	}
	return nil
}
