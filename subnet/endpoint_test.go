package subnet

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func goodEndpoint() Endpoint {
	return Endpoint{
		Host: "miner-1.example.org", Port: 8443, Protocol: "oip-v2-grpc", TLSKeyHash: make([]byte, 32),
		Model: "digits", ModelSHA256: make([]byte, 32), Price: 5, InputPrice: 6, OutputPrice: 7, ComputePrice: 8,
	}
}

func TestEndpointValidate(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		name   string
		change func(*Endpoint)
		good   bool
	}{
		{"a DNS name", func(*Endpoint) {}, true},
		{"an IPv4 address", func(e *Endpoint) { e.Host = "192.0.2.7" }, true},
		{"an IPv6 address", func(e *Endpoint) { e.Host = "2001:db8::7" }, true},
		{"localhost", func(e *Endpoint) { e.Host = "localhost" }, true},
		{"the longest label", func(e *Endpoint) { e.Host = long + ".org" }, true},
		{"no TLS", func(e *Endpoint) { e.TLSKeyHash = nil }, true},
		{"the highest port", func(e *Endpoint) { e.Port = 65535 }, true},
		{"all there can be as prices", func(e *Endpoint) { e.Price, e.InputPrice, e.OutputPrice, e.ComputePrice = Cap, Cap, Cap, Cap }, true},
		{"for nothing", func(e *Endpoint) { e.Price, e.InputPrice, e.OutputPrice, e.ComputePrice = 0, 0, 0, 0 }, true},
		{"no host", func(e *Endpoint) { e.Host = "" }, false},
		{"a URL", func(e *Endpoint) { e.Host = "http://example.org" }, false},
		{"host and port", func(e *Endpoint) { e.Host = "example.org:80" }, false},
		{"an IPv6 address with a zone", func(e *Endpoint) { e.Host = "fe80::1%eth0" }, false},
		{"a path out", func(e *Endpoint) { e.Host = "../etc" }, false},
		{"a space", func(e *Endpoint) { e.Host = "exa mple.org" }, false},
		{"a newline", func(e *Endpoint) { e.Host = "example.org\n" }, false},
		{"letters beyond ASCII", func(e *Endpoint) { e.Host = "exämple.org" }, false},
		{"two dots", func(e *Endpoint) { e.Host = "example..org" }, false},
		{"a dot at the end", func(e *Endpoint) { e.Host = "example.org." }, false},
		{"a label that starts with a dash", func(e *Endpoint) { e.Host = "-example.org" }, false},
		{"a label that is too long", func(e *Endpoint) { e.Host = long + "a.org" }, false},
		{"a name that is too long", func(e *Endpoint) { e.Host = strings.Repeat(long+".", 4) + "org" }, false},
		{"port 0", func(e *Endpoint) { e.Port = 0 }, false},
		{"port 65536", func(e *Endpoint) { e.Port = 65536 }, false},
		{"no protocol", func(e *Endpoint) { e.Protocol = "" }, false},
		{"a long protocol", func(e *Endpoint) { e.Protocol = strings.Repeat("x", 33) }, false},
		{"an escape in the protocol", func(e *Endpoint) { e.Protocol = "\x1b[31m" }, false},
		{"a short TLS hash", func(e *Endpoint) { e.TLSKeyHash = make([]byte, 31) }, false},
		{"no model", func(e *Endpoint) { e.Model = "" }, false},
		{"a long model", func(e *Endpoint) { e.Model = strings.Repeat("m", 129) }, false},
		{"an invalid byte in the model", func(e *Endpoint) { e.Model = "m\xff" }, false},
		{"no model hash", func(e *Endpoint) { e.ModelSHA256 = nil }, false},
		{"a long model hash", func(e *Endpoint) { e.ModelSHA256 = make([]byte, 33) }, false},
		{"more than there can be per request", func(e *Endpoint) { e.Price = Cap + 1 }, false},
		{"more than there can be per KiB of input", func(e *Endpoint) { e.InputPrice = Cap + 1 }, false},
		{"more than there can be per KiB of output", func(e *Endpoint) { e.OutputPrice = Cap + 1 }, false},
		{"more than there can be per second", func(e *Endpoint) { e.ComputePrice = Cap + 1 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := goodEndpoint()
			c.change(&e)
			if c.good {
				require.NoError(t, e.Validate())
			} else {
				require.ErrorIs(t, e.Validate(), ErrInvalidEndpoint)
			}
		})
	}
}
