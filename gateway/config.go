package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/gateway/keys"
	"github.com/plexusnet/plexus/gateway/ledger"
	"github.com/plexusnet/plexus/gateway/openai"
)

// Config says what a gateway offers, to whom, and within which bounds. A zero field takes the default.
type Config struct {
	Version string // of the program, as ServerMetadata tells it

	// What is offered.
	Netuids []uint32                   // subnets, each as the model "subnet-<netuid>" and by the models that its miners announce; required
	Aliases map[string][]uint32        // models by names of the operator's own: the subnets that answer for one, the first choice first
	Text    map[string]openai.Settings // how models by these names take and give text

	// To whom.
	Keys    *keys.File     // who may call; nil: nobody who shows a key
	Open    *keys.Key      // what callers without a key may do; nil: nothing
	Origins []string       // of web pages that may call from a browser, such as https://example.org, or *; none: no page
	TLS     *tls.Config    // plaintext when nil
	Ledger  *ledger.Ledger // of what is spent; required

	// Within which bounds.
	MaxRequestBytes int           // of one request or response; 16 MiB
	MaxTexts        int           // in one request of OpenAI's interface; 2048
	MaxRows         int           // of them in one call of a miner; 64
	MaxInFlight     int           // requests that are answered at once; 256
	Queue           int           // requests that wait for their turn; 256
	QueueTimeout    time.Duration // how long they wait; 2 s
	RequestTimeout  time.Duration // from a request's headers to its answer; 30 s
	MaxConnections  int           // 1024; more wait to be accepted
	MaxStreams      int           // requests at once on one connection; 128
	IdleTimeout     time.Duration // after which an unused connection is closed; 5 min
	DrainTimeout    time.Duration // what requests in hand get to finish on shutdown; 15 s
	DescribeTTL     time.Duration // how long what a miner says of its model is good; 30 s

	Log *slog.Logger // silent when nil
}

func (c Config) withDefaults() Config {
	c.MaxRequestBytes = orDefault(c.MaxRequestBytes, oip.DefaultMaxMessageBytes)
	c.MaxInFlight = orDefault(c.MaxInFlight, 256)
	c.Queue = orDefault(c.Queue, 256)
	c.QueueTimeout = orDefault(c.QueueTimeout, 2*time.Second)
	c.RequestTimeout = orDefault(c.RequestTimeout, 30*time.Second)
	c.MaxConnections = orDefault(c.MaxConnections, 1024)
	c.MaxStreams = orDefault(c.MaxStreams, 128)
	c.IdleTimeout = orDefault(c.IdleTimeout, 5*time.Minute)
	c.DrainTimeout = orDefault(c.DrainTimeout, 15*time.Second)
	c.DescribeTTL = orDefault(c.DescribeTTL, 30*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// subnetName is the model that means any miner of a subnet.
func subnetName(netuid uint32) string { return fmt.Sprintf("subnet-%d", netuid) }

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`)

// check finds what is wrong with a configuration.
func (c Config) check() error {
	var faults []error
	if len(c.Netuids) == 0 || slices.Contains(c.Netuids, 0) {
		faults = append(faults, errors.New("which subnets are offered: want numbers of 1 or more"))
	}
	if c.Ledger == nil {
		faults = append(faults, errors.New("no ledger"))
	}
	if c.Keys == nil && c.Open == nil {
		faults = append(faults, errors.New("nobody may call: want keys, or to be open"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Aliases)) {
		subnets := c.Aliases[name]
		if !modelName.MatchString(name) || strings.HasPrefix(name, "subnet-") {
			faults = append(faults, fmt.Errorf("model %q: want 1 to 128 letters, digits, dots, dashes, underscores, colons and @, and no name that begins with subnet-", name))
		}
		for _, netuid := range subnets {
			if !slices.Contains(c.Netuids, netuid) {
				faults = append(faults, fmt.Errorf("model %q: subnet %d is not offered", name, netuid))
			}
		}
		if len(subnets) == 0 {
			faults = append(faults, fmt.Errorf("model %q: no subnet answers for it", name))
		}
	}
	for name, s := range c.Text {
		for _, label := range s.Flagged {
			if s.Labels != nil && !slices.Contains(s.Labels, label) {
				faults = append(faults, fmt.Errorf("model %q flags %q, which is none of its labels", name, label))
			}
		}
	}
	return errors.Join(faults...)
}
