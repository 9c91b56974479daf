package subnet

import (
	"fmt"
	"net"
	"strings"
)

// Endpoint is where and what a miner serves, as it announces it.
type Endpoint struct {
	Host        string // DNS name or IP address
	Port        uint32
	Protocol    string // what the port speaks, such as "oip-v2-grpc"
	TLSKeyHash  []byte // SHA-256 of the server's public key; empty for plaintext
	Model       string
	ModelSHA256 []byte
	Price       uint64 // nplx per request

	// What a request costs beside Price. A KiB is 1024 bytes of raw tensor contents.
	InputPrice   uint64 // nplx per KiB of input
	OutputPrice  uint64 // nplx per KiB of output
	ComputePrice uint64 // nplx per second of compute
}

// Bounds of an announcement, so that a row of the metagraph stays small.
const (
	maxHostBytes     = 253 // of a DNS name
	maxProtocolBytes = 32
	maxModelBytes    = 128
	hashBytes        = 32
)

// Validate reports what is wrong with an endpoint, wrapping ErrInvalidEndpoint.
func (e Endpoint) Validate() error {
	switch {
	case !validHost(e.Host):
		return fmt.Errorf("host %q is neither a DNS name nor an IP address: %w", e.Host, ErrInvalidEndpoint)
	case e.Port < 1 || e.Port > 65535:
		return fmt.Errorf("port is %d, want 1 to 65535: %w", e.Port, ErrInvalidEndpoint)
	case !printable(e.Protocol, maxProtocolBytes):
		return fmt.Errorf("protocol must be 1 to %d printable ASCII characters: %w", maxProtocolBytes, ErrInvalidEndpoint)
	case len(e.TLSKeyHash) != 0 && len(e.TLSKeyHash) != hashBytes:
		return fmt.Errorf("TLS key hash has %d bytes, want %d or none: %w", len(e.TLSKeyHash), hashBytes, ErrInvalidEndpoint)
	case !printable(e.Model, maxModelBytes):
		return fmt.Errorf("model must be 1 to %d printable ASCII characters: %w", maxModelBytes, ErrInvalidEndpoint)
	case len(e.ModelSHA256) != hashBytes:
		return fmt.Errorf("model SHA-256 has %d bytes, want %d: %w", len(e.ModelSHA256), hashBytes, ErrInvalidEndpoint)
	}
	return e.validatePrices()
}

func (e Endpoint) validatePrices() error {
	for _, p := range []struct {
		per  string
		nplx uint64
	}{
		{"request", e.Price}, {"KiB of input", e.InputPrice}, {"KiB of output", e.OutputPrice}, {"second of compute", e.ComputePrice},
	} {
		if p.nplx > Cap {
			return fmt.Errorf("price per %s of %d nplx exceeds all there can be: %w", p.per, p.nplx, ErrInvalidEndpoint)
		}
	}
	return nil
}

func validHost(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	if !printable(host, maxHostBytes) {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if len(label) == 0 || len(label) > 63 || strings.Trim(label, "-") != label {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return false
		}
	}
	return true
}

// printable tells whether s is 1 to limit visible ASCII characters.
func printable(s string, limit int) bool {
	if len(s) < 1 || len(s) > limit {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < '!' || r > '~' }) < 0
}
