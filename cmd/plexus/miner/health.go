package minercmd

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	"github.com/plexusnet/plexus/validator/health"
)

const (
	// defaultAPI is where a validator on this machine publishes unless told otherwise.
	defaultAPI = "http://127.0.0.1:9600"
	// askedAtOnce bounds the answers that are in memory, with --max-bytes.
	askedAtOnce = 8
	// widestText is how much of a validator's words a table shows.
	widestText = 60
)

// healthSettings are the flags of `plexus miner health`.
type healthSettings struct {
	netuid     uint32
	validators []string
	hotkey     string
	uid        uint16
	insecure   bool
	ca         string
	timeout    time.Duration
	maxBytes   int64
	chainID    string
	output     string
}

func healthCommand() *cobra.Command {
	var s healthSettings
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Show how validators find the miners of a subnet: uptime, latency, failures, score and flags",
		Long: `Asks the validators' APIs what they publish of a subnet's miners, and sums it up: the median over the validators and, where they
differ, the range. Without --uid and --hotkey all miners are shown; with one of them, that miner as each validator sees it.

Validators that do not answer are listed with the reason. It fails when none answers, or none knows the miner.`,
		Example: `  plexus miner health --netuid 1
  plexus miner health --netuid 1 --hotkey miner1 --validator https://v1.example.org --validator https://v2.example.org/health`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			return s.show(cmd)
		},
	}
	chainflags.AddKeys(cmd)
	f := cmd.Flags()
	f.Uint32Var(&s.netuid, "netuid", 0, "subnet of the miners")
	f.StringSliceVar(&s.validators, "validator", []string{defaultAPI}, "URL of a validator's API; repeatable")
	f.StringVar(&s.hotkey, "hotkey", "", "only this miner: a key of the keyring, by name, or an address")
	f.Uint16Var(&s.uid, "uid", 0, "only this miner; goes before --hotkey")
	f.BoolVar(&s.insecure, "insecure", false, "ask validators on other machines without TLS")
	f.StringVar(&s.ca, "ca-cert", "", "certificates of authorities to trust besides the system's, PEM")
	f.DurationVar(&s.timeout, "timeout", 10*time.Second, "what one validator gets to answer")
	f.Int64Var(&s.maxBytes, "max-bytes", 16<<20, "largest answer of a validator; a larger one is refused")
	f.StringVar(&s.chainID, "chain-id", "", "chain of the validators: signatures of their reports are checked, and a report that another account signed is refused")
	f.StringVarP(&s.output, "output", "o", "table", "table or json")
	cobra.CheckErr(cmd.MarkFlagRequired("netuid"))
	return cmd
}

// source is a validator that was asked.
type source struct {
	URL    string `json:"url"`
	Hotkey string `json:"hotkey,omitempty"`
	Signed bool   `json:"signed"`           // for that hotkey, as was checked
	Height uint64 `json:"height,omitempty"` // of the chain, in its last round
	Round  uint64 `json:"round,omitempty"`
	At     int64  `json:"at,omitempty"`    // of its last round; seconds of Unix time
	Error  string `json:"error,omitempty"` // why there is nothing from it
}

// findings are what `plexus miner health` found out.
type findings struct {
	Netuid     uint32            `json:"netuid"`
	Validators []source          `json:"validators"` // in the order of --validator
	Miners     []health.Overview `json:"miners"`
}

func (s *healthSettings) show(cmd *cobra.Command) error {
	if err := s.check(); err != nil {
		return err
	}
	wanted, name, err := s.wanted(cmd)
	if err != nil {
		return err
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	found, err := s.ask(ctx, client, wanted)
	if err != nil {
		return err
	}
	if name != "" && len(found.Miners) == 0 {
		return fmt.Errorf("no validator that answers knows %s of subnet %d: they publish a miner once they have asked it\n%s", name, s.netuid, sourceLines(found.Validators))
	}
	if s.output == "json" {
		encoder := json.NewEncoder(cmd.OutOrStdout())
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	}
	return found.write(cmd.OutOrStdout(), name != "")
}

func (s *healthSettings) check() error {
	var errs []error
	if s.netuid == 0 {
		errs = append(errs, errors.New("--netuid: want the number of a subnet, 1 or more"))
	}
	if s.output != "table" && s.output != "json" {
		errs = append(errs, fmt.Errorf("--output %q: want table or json", s.output))
	}
	if s.timeout <= 0 || s.maxBytes < 1 {
		errs = append(errs, errors.New("--timeout and --max-bytes: want more than 0"))
	}
	if len(s.validators) == 0 {
		errs = append(errs, errors.New("--validator: want the URL of a validator's API, such as "+defaultAPI))
	}
	for i, raw := range s.validators {
		s.validators[i] = strings.TrimRight(raw, "/")
		if err := s.checkURL(raw); err != nil {
			if strings.Contains(raw, "@") { // there may be a password in it
				raw = "..."
			}
			errs = append(errs, fmt.Errorf("--validator %q: %w", raw, err))
		}
	}
	seen := map[string]bool{}
	s.validators = slices.DeleteFunc(s.validators, func(one string) bool {
		again := seen[one]
		seen[one] = true
		return again
	})
	return errors.Join(errs...)
}

func (s *healthSettings) checkURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("want a URL such as %s or https://validator.example.org", defaultAPI)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("want a URL without user, query and fragment")
	case u.Scheme == "http" && !s.insecure && !oip.Loopback(u.Hostname()):
		return errors.New("on another machine, without TLS; want https, or allow it with --insecure")
	}
	return nil
}

// wanted returns which miners to show, and the name of the one that was asked for; all of them have none.
func (s *healthSettings) wanted(cmd *cobra.Command) (wanted func(health.Miner) bool, name string, err error) {
	if cmd.Flags().Changed("uid") {
		return func(m health.Miner) bool { return m.UID == s.uid }, fmt.Sprintf("uid %d", s.uid), nil
	}
	if s.hotkey == "" {
		return func(health.Miner) bool { return true }, "", nil
	}
	address := s.hotkey
	if !strings.HasPrefix(address, network.AddressPrefix+"1") {
		signer, err := chainflags.Signer(cmd, s.hotkey)
		if err != nil {
			return nil, "", err
		}
		address = signer.Address()
	}
	return func(m health.Miner) bool { return m.Hotkey == address }, "hotkey " + address, nil
}

// client follows no redirects: they could lead from TLS to plaintext.
func (s *healthSettings) client() (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca-cert: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca-cert %s: holds no certificate in PEM", s.ca)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport: transport, Timeout: s.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// ask asks all validators at once; it fails when none answers.
func (s *healthSettings) ask(ctx context.Context, client *http.Client, wanted func(health.Miner) bool) (*findings, error) {
	found := &findings{Netuid: s.netuid, Validators: make([]source, len(s.validators))}
	reports := make([]health.Subnet, len(s.validators))
	var group errgroup.Group
	group.SetLimit(askedAtOnce)
	for i, at := range s.validators {
		group.Go(func() error {
			found.Validators[i] = source{URL: at}
			report, err := health.Client{URL: at, HTTP: client, MaxBytes: s.maxBytes, ChainID: s.chainID}.Miners(ctx, s.netuid)
			if err != nil {
				found.Validators[i].Error = reason(err)
				return nil
			}
			report.Miners = slices.DeleteFunc(report.Miners, func(m health.Miner) bool { return !wanted(m) })
			reports[i] = report
			found.Validators[i] = source{URL: at, Hotkey: report.Hotkey, Signed: report.Verified, Height: report.Height, Round: report.Round, At: report.At}
			return nil
		})
	}
	_ = group.Wait() // what went wrong stands by each validator
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var answered []health.Subnet
	first := map[string]string{} // URL by hotkey: a validator counts once
	for i := range found.Validators {
		v := &found.Validators[i]
		if v.Error != "" {
			continue
		}
		if before, twice := first[v.Hotkey]; twice {
			v.Error = "the same validator as " + before
			continue
		}
		first[v.Hotkey] = v.URL
		answered = append(answered, reports[i])
	}
	if len(answered) == 0 {
		return nil, fmt.Errorf("no validator answers; give their addresses with --validator\n%s", sourceLines(found.Validators))
	}
	found.Miners = health.Gather(answered)
	return found, nil
}

// reason is an error without the URL that was asked, which stands beside it.
func reason(err error) string {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return err.Error()
}

// write writes the miners, for one of them each validator's view, and who was asked.
func (f *findings) write(w io.Writer, one bool) error {
	answered := 0
	for _, v := range f.Validators {
		if v.Error == "" {
			answered++
		}
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "UID\tHOTKEY\tMODEL\tSEEN BY\tUPTIME\tP50 MS\tP95 MS\tP99 MS\tSCORE\tSKILL\tFAILURES\tFLAGS")
	for _, m := range f.Miners {
		p50, p95, p99 := "-", "-", "-"
		if m.Latency != nil {
			p50, p95, p99 = spread("%.1f", m.Latency.P50, 1), spread("%.1f", m.Latency.P95, 1), spread("%.1f", m.Latency.P99, 1)
		}
		fmt.Fprintf(tab, "%d\t%s\t%s\t%d/%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.UID, short(m.Hotkey), plain(m.Model), len(m.Opinions), answered,
			spread("%.1f%%", m.Uptime, 100), p50, p95, p99, spread("%.3f", m.Accuracy, 1), spread("%.3f", m.Skill, 1),
			counted(m.Failures), counted(m.Flags))
	}
	if one {
		fmt.Fprintln(tab)
		fmt.Fprintln(tab, "VALIDATOR\tROUNDS\tASKED\tANSWERED\tUPTIME\tP50 MS\tP95 MS\tP99 MS\tSCORE\tSKILL\tFAILURES\tFLAGS")
		for _, m := range f.Miners {
			for _, o := range m.Opinions {
				writeOpinion(tab, o)
			}
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", sourceLines(f.Validators))
	return err
}

func writeOpinion(w io.Writer, o health.Opinion) {
	p50, p95, p99 := "-", "-", "-"
	if l := o.Latency; l != nil {
		p50, p95, p99 = fmt.Sprintf("%.1f", l.P50), fmt.Sprintf("%.1f", l.P95), fmt.Sprintf("%.1f", l.P99)
	}
	flags := "-"
	if len(o.Flags) > 0 {
		flags = plain(strings.Join(o.Flags, "; "))
	}
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f%%\t%s\t%s\t%s\t%.3f\t%.3f\t%s\t%s\n", short(o.Validator), o.Rounds, o.Asked, o.Answered,
		100*o.Uptime, p50, p95, p99, o.Accuracy, o.Skill, counted(o.Failures), flags)
}

// sourceLines tells who was asked and what came of it, a line each.
func sourceLines(sources []source) string {
	lines := make([]string, len(sources))
	for i, v := range sources {
		lines[i] = fmt.Sprintf("%s: %s", v.URL, printable(v.Error))
		if v.Error == "" {
			age := max(0, time.Since(time.Unix(v.At, 0))).Round(time.Second)
			signed := "not checked to be its own"
			if v.Signed {
				signed = "signed"
			}
			lines[i] = fmt.Sprintf("%s: %s, round %d at block %d, %s ago, %s", v.URL, printable(v.Hotkey), v.Round, v.Height, age, signed)
		}
	}
	return strings.Join(lines, "\n")
}

// spread writes a median and, where it shows, the range around it.
func spread(format string, s health.Spread, unit float64) string {
	median, least, most := fmt.Sprintf(format, unit*s.Median), fmt.Sprintf(format, unit*s.Min), fmt.Sprintf(format, unit*s.Max)
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s to %s)", median, least, most)
}

// counted lists what was counted, the most frequent first.
func counted(counts map[string]int) string {
	if len(counts) == 0 {
		return "-"
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s x%d", name, counts[name])
	}
	return plain(strings.Join(parts, ", "))
}

// plain is text of others as a table shows it.
func plain(text string) string {
	runes := []rune(printable(text))
	if len(runes) <= widestText {
		return string(runes)
	}
	return string(runes[:widestText-2]) + ".."
}

// printable is text of others without what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// short leaves enough of an address to tell it from others.
func short(address string) string {
	address = printable(address)
	if len(address) <= 16 {
		return address
	}
	return address[:8] + ".." + address[len(address)-5:]
}
