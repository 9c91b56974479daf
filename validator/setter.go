package validator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/plexusnet/plexus/client/membership"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/validator/alert"
)

// Chain is what a validator needs of the chain. Errors wrap metagraph.ErrNotFound and metagraph.ErrUnavailable.
type Chain interface {
	membership.Chain
	Metagraph(ctx context.Context, netuid uint32) (*metagraph.Metagraph, error)
	// SetWeights sets the hotkey's opinion; version is the subnet's weights version.
	SetWeights(ctx context.Context, netuid uint32, version uint64, weights []metagraph.Weight) error
	// CommitWeights hides it until a round of the network's beacon, and returns the epoch of the commit.
	CommitWeights(ctx context.Context, netuid uint32, weights []metagraph.Weight) (epoch uint64, err error)
	// SealWeights prepares a commit to its hash, in the present epoch; SealHash is the hash that the chain shows.
	SealWeights(ctx context.Context, netuid uint32, weights []metagraph.Weight) (metagraph.Sealed, error)
	SealHash(sealed metagraph.Sealed) ([]byte, error)
	CommitHash(ctx context.Context, netuid uint32, sealed metagraph.Sealed) error
	OpenHash(ctx context.Context, netuid uint32, sealed metagraph.Sealed) error
	// Commits lists the hotkey's commits that are hidden, or were settled not long ago.
	Commits(ctx context.Context, netuid uint32, hotkey string) ([]metagraph.Commit, error)
	// BindHotkey makes the stake of the operator's staking validator count for the hotkey.
	BindHotkey(ctx context.Context) error
}

// timing is when a validator is to set weights: now if wait is 0, else not for so many blocks, because of reason.
type timing struct {
	wait   uint64 // blocks
	reason string
}

// due tells when weights are to be set: once per epoch, in its second half so that they rest on fresh evidence and yet
// leave time to try again, and the first time as soon as the chain allows.
func due(standing metagraph.Standing, graph *metagraph.Metagraph) timing {
	toEpoch := max(1, until(graph.Height, graph.NextEpoch))
	half := graph.LastEpoch + (graph.NextEpoch-min(graph.LastEpoch, graph.NextEpoch))/2
	switch {
	case standing.Stake == 0:
		return timing{wait: toEpoch, reason: "no stake: bind the hotkey to a staking validator with --operator"}
	case !standing.Permit:
		return timing{wait: toEpoch, reason: "no validator permit yet: epochs give it to those with the most stake"}
	case standing.BlocksUntilWeights > 0:
		return timing{wait: standing.BlocksUntilWeights, reason: "rate limit of the subnet"}
	case standing.Updated > graph.LastEpoch:
		return timing{wait: toEpoch, reason: "weights are set for this epoch"}
	case standing.Updated > 0 && graph.Height < half:
		return timing{wait: half - graph.Height, reason: "gathering evidence for this epoch"}
	default:
		return timing{}
	}
}

func until(height, target uint64) uint64 {
	if target <= height {
		return 0
	}
	return target - height
}

// setter sets weights when they are due, and says once what it waits for.
type setter struct {
	member    membership.Member
	chain     Chain
	committer committer
	weigher   Weigher
	lookout   *lookout
	metrics   *Metrics
	log       *slog.Logger
	said      string // the last reason logged
}

// step looks at the chain once, and sets weights if that is due. evidence tells what is known of a subnet, and how many
// rounds it rests on. The error wraps membership.ErrDeregistered when the hotkey has lost its uid.
func (s *setter) step(ctx context.Context, evidence func(*metagraph.Metagraph) (map[uint16]Evidence, int)) error {
	standing, err := s.member.Check(ctx)
	if err != nil {
		return err
	}
	graph, err := s.chain.Metagraph(ctx, s.member.Netuid)
	if err != nil {
		return err
	}
	rules, err := s.chain.Rules(ctx, s.member.Netuid)
	if err != nil {
		return err
	}
	// What is due to be opened is opened in any case, and setting weights does not wait for it to succeed.
	opened := s.committer.open(ctx, rules)
	when := due(standing, graph)
	known, rounds := evidence(graph)
	if when.wait == 0 && rounds == 0 {
		when = timing{wait: 1, reason: "no round finished yet"}
	}
	s.look(standing, graph, when)
	if when.wait > 0 {
		s.say(when, graph)
		return opened
	}
	return errors.Join(opened, s.set(ctx, standing, graph, rules, known))
}

// look tells of what the chain shows: how the validator stands, and whether its weights are late.
func (s *setter) look(standing metagraph.Standing, graph *metagraph.Metagraph, when timing) {
	s.lookout.heard(graph.Height)
	own, _ := graph.Hotkey(s.member.Hotkey)
	s.metrics.stands(s.member.Netuid, own.Vtrust, when.wait)
	if standing.Permit {
		s.lookout.trusted(graph.LastEpoch, own.Vtrust)
	}
	if left, late := lateness(standing, graph); late {
		s.lookout.alert(alert.WeightsLate, fmt.Sprintf("%d blocks before the epoch the weights of uid %d are not set: %s", left, standing.UID,
			cmp.Or(when.reason, "setting them fails, see the log")))
	}
}

// lateness tells whether weights that might be set are not when an eighth of the epoch is left.
func lateness(standing metagraph.Standing, graph *metagraph.Metagraph) (left uint64, late bool) {
	left = until(graph.Height, graph.NextEpoch)
	whole := graph.NextEpoch - min(graph.LastEpoch, graph.NextEpoch)
	mayAndDidNot := standing.Stake > 0 && standing.Permit && standing.Updated <= graph.LastEpoch
	return left, mayAndDidNot && graph.LastEpoch > 0 && 8*left <= max(whole, 8)
}

func (s *setter) say(when timing, graph *metagraph.Metagraph) {
	if when.reason != s.said {
		s.log.Info("no weights for now", "reason", when.reason, "blocks", when.wait, "height", graph.Height, "next_epoch", graph.NextEpoch)
		s.said = when.reason
	}
}

func (s *setter) set(ctx context.Context, standing metagraph.Standing, graph *metagraph.Metagraph, rules metagraph.Rules, known map[uint16]Evidence) error {
	weights := s.weigher.Weigh(known, int(rules.MinAllowedWeights), rules.MaxWeight)
	if len(weights) == 0 {
		if rules.OwnerHotkey == s.member.Hotkey {
			s.say(timing{wait: 1, reason: "nobody is better than chance, and the owner's weight on itself would count"}, graph)
			return nil
		}
		weights = []metagraph.Weight{{UID: standing.UID, Value: 1<<16 - 1}}
		s.log.Warn("nobody is better than chance: the weight goes to this validator itself, which counts for nobody")
	}
	if err := s.committer.send(ctx, rules, weights); err != nil {
		return fmt.Errorf("set weights: %w", err)
	}
	s.said = ""
	s.metrics.weighed(s.member.Netuid, "set")
	s.log.Info("weights set", "hidden", rules.CommitReveal, "netuid", s.member.Netuid, "uid", standing.UID, "height", graph.Height,
		"blocks_before_epoch", until(graph.Height, graph.NextEpoch), "weights", describe(weights))
	return nil
}

// describe writes weights like 3=65535 4=1200.
func describe(weights []metagraph.Weight) string {
	text := ""
	for i, w := range weights {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("%d=%d", w.UID, w.Value)
	}
	return text
}
