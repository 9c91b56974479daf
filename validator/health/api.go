package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Source is what a Handler publishes.
type Source interface {
	// Netuids lists the subnets, in order.
	Netuids() []uint32
	// Subnet returns the health of a subnet's miners, in order of uid; ok is false for one that is not validated.
	Subnet(netuid uint32) (s Subnet, ok bool)
}

// Handler answers GET /v1/subnets, /v1/subnets/{netuid}/miners and /v1/subnets/{netuid}/miners/{uid} with JSON.
func Handler(source Source) http.Handler { return SignedHandler(source, nil) }

// SignedHandler is Handler with the reports on a whole subnet signed; nil signs nothing.
func SignedHandler(source Source, signer *Signer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/subnets", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string][]uint32{"netuids": source.Netuids()})
	})
	mux.HandleFunc("GET /v1/subnets/{netuid}/miners", func(w http.ResponseWriter, req *http.Request) {
		if s, ok := find(w, req, source); ok {
			report(w, s, signer)
		}
	})
	mux.HandleFunc("GET /v1/subnets/{netuid}/miners/{uid}", func(w http.ResponseWriter, req *http.Request) {
		s, ok := find(w, req, source)
		if !ok {
			return
		}
		uid, err := strconv.ParseUint(req.PathValue("uid"), 10, 16)
		if err != nil {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("uid %q: want a number up to 65535", req.PathValue("uid")))
			return
		}
		for _, m := range s.Miners {
			if uint64(m.UID) == uid {
				write(w, http.StatusOK, m)
				return
			}
		}
		refuse(w, http.StatusNotFound, fmt.Sprintf("uid %d of subnet %d was never asked anything", uid, s.Netuid))
	})
	return mux
}

func report(w http.ResponseWriter, s Subnet, signer *Signer) {
	body, err := json.Marshal(s)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	if signer != nil {
		signer.sign(w.Header(), s.Height, body)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // whoever hangs up needs no answer
}

func find(w http.ResponseWriter, req *http.Request, source Source) (Subnet, bool) {
	netuid, err := strconv.ParseUint(req.PathValue("netuid"), 10, 32)
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("netuid %q: want the number of a subnet", req.PathValue("netuid")))
		return Subnet{}, false
	}
	s, ok := source.Subnet(uint32(netuid))
	if !ok {
		refuse(w, http.StatusNotFound, fmt.Sprintf("this validator has nothing on subnet %d; it has subnets %v", netuid, source.Netuids()))
	}
	return s, ok
}

func refuse(w http.ResponseWriter, status int, why string) {
	write(w, status, map[string]string{"error": why})
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever hangs up needs no answer
}

// ErrAPI is wrapped for what a validator's API does not answer as it should.
var ErrAPI = errors.New("validator's API")

// DefaultMaxBytes bounds an answer of the API.
const DefaultMaxBytes = 64 << 20

// Client reads the API of a validator.
type Client struct {
	URL      string       // such as http://127.0.0.1:9600
	HTTP     *http.Client // nil: http.DefaultClient
	MaxBytes int64        // of an answer; 0: DefaultMaxBytes
	ChainID  string       // that reports are signed for; empty: signatures are not looked at
}

// Miners returns the health of a subnet's miners. An answer on another subnet, with numbers that cannot be, or signed by
// somebody else, is an error; one that is not signed is not Verified.
func (c Client) Miners(ctx context.Context, netuid uint32) (Subnet, error) {
	var s Subnet
	header, body, err := c.get(ctx, fmt.Sprintf("/v1/subnets/%d/miners", netuid), &s)
	if err != nil {
		return Subnet{}, err
	}
	if c.ChainID != "" {
		if s.Verified, err = verify(header, c.ChainID, time.Now(), s, body); err != nil {
			return Subnet{}, fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
		}
	}
	if s.Netuid != netuid {
		return Subnet{}, fmt.Errorf("%w at %s: asked about subnet %d, told about %d", ErrAPI, c.URL, netuid, s.Netuid)
	}
	for i, m := range s.Miners {
		err := m.check()
		if i > 0 && m.UID <= s.Miners[i-1].UID {
			err = fmt.Errorf("uid %d after uid %d, want each once and in order", m.UID, s.Miners[i-1].UID)
		}
		if err != nil {
			return Subnet{}, fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
		}
	}
	return s, nil
}

// Miner returns the health of one miner. An answer about another one, or with numbers that cannot be, is an error.
func (c Client) Miner(ctx context.Context, netuid uint32, uid uint16) (Miner, error) {
	var m Miner
	if _, _, err := c.get(ctx, fmt.Sprintf("/v1/subnets/%d/miners/%d", netuid, uid), &m); err != nil {
		return Miner{}, err
	}
	err := m.check()
	if m.UID != uid {
		err = fmt.Errorf("asked about uid %d, told about %d", uid, m.UID)
	}
	if err != nil {
		return Miner{}, fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
	}
	return m, nil
}

// mostCount bounds what a window can have counted, so that sums over validators cannot overflow.
const mostCount = 1 << 40

// check reports numbers that no window gives: whoever publishes them is wrong about more.
func (m Miner) check() error {
	for name, share := range map[string]float64{"uptime": m.Uptime, "accuracy": m.Accuracy, "skill": m.Skill} {
		if share < 0 || share > 1 {
			return fmt.Errorf("uid %d: %s of %g, want 0 to 1", m.UID, name, share)
		}
	}
	if l := m.Latency; l != nil && !(0 <= l.P50 && l.P50 <= l.P95 && l.P95 <= l.P99) {
		return fmt.Errorf("uid %d: latencies of %g, %g and %g ms, want them to rise from 0", m.UID, l.P50, l.P95, l.P99)
	}
	counts := []int{m.Rounds, m.Asked, m.Answered}
	for _, n := range m.Failures {
		counts = append(counts, n)
	}
	for _, n := range counts {
		if n < 0 || n > mostCount {
			return fmt.Errorf("uid %d: a count of %d, want 0 to %d", m.UID, n, mostCount)
		}
	}
	return nil
}

func (c Client) get(ctx context.Context, path string, into any) (http.Header, []byte, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" {
		return nil, nil, fmt.Errorf("%w: %q: want a URL such as http://127.0.0.1:9600", ErrAPI, c.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrAPI, err)
	}
	client, most := c.HTTP, c.MaxBytes
	if client == nil {
		client = http.DefaultClient
	}
	if most <= 0 {
		most = DefaultMaxBytes
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrAPI, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
	}
	if int64(len(body)) > most {
		return nil, nil, fmt.Errorf("%w at %s: more than %d bytes", ErrAPI, c.URL, most)
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if json.Unmarshal(body, &refused) != nil || refused.Error == "" {
			refused.Error = resp.Status
		}
		return nil, nil, fmt.Errorf("%w at %s: %.200s", ErrAPI, c.URL, refused.Error)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return nil, nil, fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
	}
	return resp.Header, body, nil
}
