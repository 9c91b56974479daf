package validatorcmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexusnet/plexus/models/tasks"
	"github.com/plexusnet/plexus/validator/mechanism"
	"github.com/plexusnet/plexus/validator/mechanism/accuracy"
)

// perSubnet is a flag that may differ between subnets: VALUE for all, or NETUID=VALUE for one, repeated.
type perSubnet struct {
	flag     string
	fallback string
	values   []string
}

func (p *perSubnet) add(cmd *cobra.Command, flag, fallback, usage string) {
	p.flag, p.fallback = flag, fallback
	cmd.Flags().StringSliceVar(&p.values, flag, []string{fallback}, usage+"; NETUID=VALUE for one subnet, repeatable")
}

// of returns the value for a subnet: its own, else the one for all.
func (p *perSubnet) of(netuid uint32) string {
	all := p.fallback // values for single subnets leave it in force for the others
	for _, text := range p.values {
		number, value, found := strings.Cut(text, "=")
		if !found {
			all = text
		} else if number == strconv.FormatUint(uint64(netuid), 10) {
			return value
		}
	}
	return all
}

// check refuses values for subnets that are not validated.
func (p *perSubnet) check(netuids []uint) error {
	for _, text := range p.values {
		number, _, found := strings.Cut(text, "=")
		if !found {
			continue
		}
		netuid, err := strconv.ParseUint(number, 10, 32)
		if err != nil || !slices.Contains(netuids, uint(netuid)) {
			return fmt.Errorf("--%s %s: want VALUE, or NETUID=VALUE with one of the subnets of --netuid", p.flag, text)
		}
	}
	return nil
}

// duration reads the value for a subnet as a time.
func (p *perSubnet) duration(netuid uint32) (time.Duration, error) {
	d, err := time.ParseDuration(p.of(netuid))
	if err != nil {
		return 0, fmt.Errorf("--%s %q: want a time such as 50ms: %w", p.flag, p.of(netuid), err)
	}
	return d, nil
}

// rewards say what a subnet's miners are paid for.
type rewards struct {
	mechanism, task, metric, target, late perSubnet
}

func (r *rewards) add(cmd *cobra.Command) {
	r.mechanism.add(cmd, "mechanism", accuracy.Name, "what the subnet rewards: accuracy")
	r.task.add(cmd, "task", tasks.Names()[0], "kind of challenges: "+strings.Join(tasks.Names(), ", "))
	r.metric.add(cmd, "metric", string(accuracy.Accuracy), "what answers are measured by: accuracy, f1, logloss or rmse")
	r.target.add(cmd, "latency-target", "0s", "latency of an answer up to which nothing is taken off its score")
	r.late.add(cmd, "latency-deadline", "0s", "latency at which nothing of the score is left; 0s: latency does not count")
}

func (r *rewards) check(netuids []uint) error {
	var errs []error
	for _, p := range []*perSubnet{&r.mechanism, &r.task, &r.metric, &r.target, &r.late} {
		errs = append(errs, p.check(netuids))
	}
	return errors.Join(errs...)
}

// of makes the mechanism of a subnet.
func (r *rewards) of(netuid uint32) (mechanism.Mechanism, error) {
	m, err := r.build(netuid)
	if err != nil {
		return nil, fmt.Errorf("subnet %d: %w", netuid, err)
	}
	return m, nil
}

func (r *rewards) build(netuid uint32) (mechanism.Mechanism, error) {
	switch name := r.mechanism.of(netuid); name {
	case accuracy.Name:
		return r.accuracy(netuid)
	default:
		return nil, fmt.Errorf("--mechanism %q: want %s", name, accuracy.Name)
	}
}

func (r *rewards) accuracy(netuid uint32) (mechanism.Mechanism, error) {
	kind, err := tasks.ByName(r.task.of(netuid))
	if err != nil {
		return nil, fmt.Errorf("--task: %w", err)
	}
	target, err := r.target.duration(netuid)
	if err != nil {
		return nil, err
	}
	late, err := r.late.duration(netuid)
	if err != nil {
		return nil, err
	}
	return accuracy.New(kind, accuracy.Options{Metric: accuracy.Metric(r.metric.of(netuid)), Target: target, Deadline: late})
}
