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
)

// Source is what a Handler publishes.
type Source interface {
	// Netuids lists the subnets, in order.
	Netuids() []uint32
	// Subnet returns the health of a subnet's miners, in order of uid; ok is false for one that is not validated.
	Subnet(netuid uint32) (s Subnet, ok bool)
}

// Handler answers GET /v1/subnets, /v1/subnets/{netuid}/miners and /v1/subnets/{netuid}/miners/{uid} with JSON.
func Handler(source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/subnets", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, map[string][]uint32{"netuids": source.Netuids()})
	})
	mux.HandleFunc("GET /v1/subnets/{netuid}/miners", func(w http.ResponseWriter, req *http.Request) {
		if s, ok := find(w, req, source); ok {
			write(w, http.StatusOK, s)
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
}

// Miners returns the health of a subnet's miners.
func (c Client) Miners(ctx context.Context, netuid uint32) (s Subnet, err error) {
	err = c.get(ctx, fmt.Sprintf("/v1/subnets/%d/miners", netuid), &s)
	return s, err
}

// Miner returns the health of one miner.
func (c Client) Miner(ctx context.Context, netuid uint32, uid uint16) (m Miner, err error) {
	err = c.get(ctx, fmt.Sprintf("/v1/subnets/%d/miners/%d", netuid, uid), &m)
	return m, err
}

func (c Client) get(ctx context.Context, path string, into any) error {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" {
		return fmt.Errorf("%w: %q: want a URL such as http://127.0.0.1:9600", ErrAPI, c.URL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAPI, err)
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
		return fmt.Errorf("%w: %w", ErrAPI, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
	}
	if int64(len(body)) > most {
		return fmt.Errorf("%w at %s: more than %d bytes", ErrAPI, c.URL, most)
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct{ Error string }
		if json.Unmarshal(body, &refused) != nil || refused.Error == "" {
			refused.Error = resp.Status
		}
		return fmt.Errorf("%w at %s: %.200s", ErrAPI, c.URL, refused.Error)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w at %s: %w", ErrAPI, c.URL, err)
	}
	return nil
}
