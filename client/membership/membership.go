// Package membership keeps a hotkey a member of a subnet: it registers it where that is asked for and paid for, tells
// what is missing where it is not, and notices when its uid is gone.
//
//	m := membership.Member{Netuid: 1, Hotkey: address, HotkeyName: "miner1", CanRegister: true, MaxBurn: 2e9, Chain: chain, Log: log}
//	standing, err := m.Join(ctx) // waits while the chain is down
//	...
//	standing, err = m.Check(ctx) // ErrDeregistered once another hotkey has taken the uid
package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/metagraph"
)

var (
	// ErrNotRegistered: the hotkey has no uid in the subnet and may not buy one.
	ErrNotRegistered = errors.New("hotkey is not registered")
	// ErrDeregistered: the hotkey had a uid in the subnet and lost it.
	ErrDeregistered = errors.New("hotkey was deregistered")
	// ErrTooDear: a uid costs more than may be paid.
	ErrTooDear = errors.New("registration costs more than --max-burn")
	// ErrNoSubnet: the chain has no such subnet.
	ErrNoSubnet = errors.New("no such subnet")
)

// Chain is what membership needs of a chain. Errors wrap metagraph.ErrNotFound and metagraph.ErrUnavailable.
type Chain interface {
	Standing(ctx context.Context, netuid uint32, hotkey string) (metagraph.Standing, error)
	Rules(ctx context.Context, netuid uint32) (metagraph.Rules, error)
	// Register burns the price, at most maxBurn nplx, of the coldkey's.
	Register(ctx context.Context, netuid uint32, maxBurn uint64) error
	// Retry runs fn again, ever slower, for as long as it fails with metagraph.ErrUnavailable.
	Retry(ctx context.Context, what string, fn func(context.Context) error) error
}

// Member is a hotkey that is, or is to be, in a subnet.
type Member struct {
	Netuid      uint32
	Hotkey      string // address
	HotkeyName  string // in the keyring; for messages
	CanRegister bool   // there is a coldkey to pay with
	MaxBurn     uint64 // nplx
	Chain       Chain
	Log         *slog.Logger
}

// Join returns how the hotkey stands, after registering it if it is not registered and may be. It waits for as long as
// the chain is down. Errors wrap ErrNotRegistered, ErrTooDear or ErrNoSubnet and say what to do.
func (m *Member) Join(ctx context.Context) (metagraph.Standing, error) {
	var standing metagraph.Standing
	err := m.Chain.Retry(ctx, "join the subnet", func(ctx context.Context) (err error) {
		standing, err = m.join(ctx)
		return err
	})
	return standing, err
}

func (m *Member) join(ctx context.Context) (metagraph.Standing, error) {
	standing, err := m.Chain.Standing(ctx, m.Netuid, m.Hotkey)
	if err == nil || !errors.Is(err, metagraph.ErrNotFound) {
		return standing, err
	}
	rules, err := m.rules(ctx)
	if err != nil {
		return metagraph.Standing{}, err
	}
	if err := m.mayRegister(rules); err != nil {
		return metagraph.Standing{}, err
	}
	m.Log.Info("registering", "netuid", m.Netuid, "hotkey", m.Hotkey, "price", amount.Format(rules.RegistrationPrice), "max_burn", amount.Format(m.MaxBurn))
	if err := m.Chain.Register(ctx, m.Netuid, m.MaxBurn); err != nil {
		// The transaction may have gone through all the same, if the answer was lost.
		if standing, again := m.Chain.Standing(ctx, m.Netuid, m.Hotkey); again == nil {
			return standing, nil
		}
		return metagraph.Standing{}, fmt.Errorf("register %s in subnet %d: %w", m.HotkeyName, m.Netuid, err)
	}
	standing, err = m.Chain.Standing(ctx, m.Netuid, m.Hotkey)
	if err == nil {
		m.Log.Info("registered", "netuid", m.Netuid, "uid", standing.UID, "hotkey", m.Hotkey)
	}
	return standing, err
}

func (m *Member) rules(ctx context.Context) (metagraph.Rules, error) {
	rules, err := m.Chain.Rules(ctx, m.Netuid)
	if errors.Is(err, metagraph.ErrNotFound) {
		return rules, fmt.Errorf("%w: %d; list them with: plexus query subnet list", ErrNoSubnet, m.Netuid)
	}
	return rules, err
}

func (m *Member) mayRegister(rules metagraph.Rules) error {
	if !m.CanRegister {
		return fmt.Errorf("%w: %s (%s) has no uid in subnet %d; a uid costs %s now: start again with --coldkey NAME --max-burn AMOUNT, or run: plexus tx subnet register",
			ErrNotRegistered, m.HotkeyName, m.Hotkey, m.Netuid, amount.Format(rules.RegistrationPrice))
	}
	if rules.RegistrationPrice > m.MaxBurn {
		return fmt.Errorf("%w: a uid in subnet %d costs %s now and --max-burn is %s; raise it, or wait until the price has fallen",
			ErrTooDear, m.Netuid, amount.Format(rules.RegistrationPrice), amount.Format(m.MaxBurn))
	}
	return nil
}

// Check returns how a hotkey that has joined stands now. The error wraps ErrDeregistered, and says what a new uid costs,
// when the hotkey has none any more.
func (m *Member) Check(ctx context.Context) (metagraph.Standing, error) {
	standing, err := m.Chain.Standing(ctx, m.Netuid, m.Hotkey)
	if err == nil || !errors.Is(err, metagraph.ErrNotFound) {
		return standing, err
	}
	rules, err := m.rules(ctx)
	if err != nil {
		return metagraph.Standing{}, err
	}
	return metagraph.Standing{}, fmt.Errorf("%w: %s (%s) lost its uid in subnet %d; a new one costs %s now: plexus tx subnet register, or start again with --coldkey NAME --max-burn AMOUNT",
		ErrDeregistered, m.HotkeyName, m.Hotkey, m.Netuid, amount.Format(rules.RegistrationPrice))
}
