package validatorcmd

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// perSubnet is a flag that may differ between subnets: VALUE for all, or NETUID=VALUE for one, repeated. It implements
// pflag.Value.
type perSubnet struct {
	flag   string
	all    string            // for subnets without a value of their own
	single map[uint32]string // by netuid
	whole  bool              // commas are part of a value, and separate none
}

// Set implements pflag.Value.
func (p *perSubnet) Set(text string) error {
	values := []string{text}
	if !p.whole {
		values = strings.Split(text, ",")
	}
	for _, one := range values {
		netuid, value, found := strings.Cut(one, "=")
		if !found || strings.Trim(netuid, "0123456789") != "" {
			p.all = one
			continue
		}
		if err := p.SetFor(netuid, value); err != nil {
			return err
		}
	}
	return nil
}

// SetFor gives one subnet its value, as a section of the settings file does.
func (p *perSubnet) SetFor(netuid, value string) error {
	number, err := strconv.ParseUint(netuid, 10, 32)
	if err != nil || number == 0 {
		return fmt.Errorf("%q is no subnet: want VALUE, or NETUID=VALUE", netuid)
	}
	if p.single == nil {
		p.single = map[uint32]string{}
	}
	p.single[uint32(number)] = value
	return nil
}

// String implements pflag.Value.
func (p *perSubnet) String() string { return p.all }

// Type implements pflag.Value.
func (p *perSubnet) Type() string { return "value" }

func (p *perSubnet) add(cmd *cobra.Command, flag, fallback, usage string) {
	p.flag, p.all = flag, fallback
	cmd.Flags().Var(p, flag, usage+"; NETUID=VALUE for one subnet, repeatable")
}

// of returns the value for a subnet: its own, else the one for all.
func (p *perSubnet) of(netuid uint32) string {
	if value, ok := p.single[netuid]; ok {
		return value
	}
	return p.all
}

// check refuses values for subnets that are not validated.
func (p *perSubnet) check(netuids []uint) error {
	for _, netuid := range slices.Sorted(maps.Keys(p.single)) {
		if !slices.Contains(netuids, uint(netuid)) {
			return fmt.Errorf("--%s %d=%s: want VALUE, or NETUID=VALUE with one of the subnets of --netuid", p.flag, netuid, p.single[netuid])
		}
	}
	return nil
}

// duration reads the value for a subnet as a time.
func (p *perSubnet) duration(netuid uint32) (time.Duration, error) {
	d, err := time.ParseDuration(p.of(netuid))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--%s %q: want a time such as 50ms", p.flag, p.of(netuid))
	}
	return d, nil
}

// positive reads the value for a subnet as a time of more than 0.
func (p *perSubnet) positive(netuid uint32) (time.Duration, error) {
	d, err := p.duration(netuid)
	if err == nil && d == 0 {
		err = fmt.Errorf("--%s %q: want more than 0", p.flag, p.of(netuid))
	}
	return d, err
}

// count reads the value for a subnet as a whole number of at least least.
func (p *perSubnet) count(netuid uint32, least int64) (int64, error) {
	n, err := strconv.ParseInt(p.of(netuid), 10, 64)
	if err != nil || n < least {
		return 0, fmt.Errorf("--%s %q: want a whole number, %d or more", p.flag, p.of(netuid), least)
	}
	return n, nil
}
