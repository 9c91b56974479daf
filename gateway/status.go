package gateway

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/gateway/fault"
	"github.com/plexusnet/plexus/gateway/ledger"
)

// Ready returns why nothing can be answered now, or nil: the gateway is shutting down, its ledger cannot be written, or no
// subnet that it offers has a miner.
func (g *Gateway) Ready(ctx context.Context) error {
	if g.door.draining.Load() {
		return fault.New(codes.Unavailable, fault.ReasonBusy, "shutting down")
	}
	if err := g.cfg.Ledger.Ready(); err != nil {
		return fault.New(codes.Unavailable, fault.ReasonInternal, "the ledger cannot be written")
	}
	var failed error
	for _, netuid := range g.cfg.Netuids {
		miners, err := g.network.Miners(ctx, netuid)
		if err == nil && len(miners) > 0 {
			return nil
		}
		failed = errors.Join(failed, err)
	}
	return faultOf(errors.Join(client.ErrNoMiners, failed))
}

// Status is what an operator wants to know of a gateway.
type Status struct {
	Version  string                  `json:"version"`
	Uptime   string                  `json:"uptime"`
	Ready    bool                    `json:"ready"`
	Reason   string                  `json:"reason,omitempty"` // why it is not
	InFlight int                     `json:"in_flight"`
	Waiting  int64                   `json:"waiting"`
	Subnets  []SubnetStatus          `json:"subnets"`
	Keys     map[string]ledger.Spent `json:"keys,omitempty"` // by name; nplx
	Wallet   *wallet.Balance         `json:"wallet,omitempty"`
	Channels []wallet.Channel        `json:"channels,omitempty"`
}

// SubnetStatus is what the gateway knows of a subnet.
type SubnetStatus struct {
	Netuid uint32          `json:"netuid"`
	Miners []client.Health `json:"miners"`
	Error  string          `json:"error,omitempty"`
}

// Status returns how the gateway stands.
func (g *Gateway) Status(ctx context.Context) Status {
	s := Status{Version: g.cfg.Version, Uptime: time.Since(g.started).Round(time.Second).String(), InFlight: g.door.inFlight(), Waiting: g.door.waiting.Load(),
		Keys: map[string]ledger.Spent{}}
	err := g.Ready(ctx)
	if s.Ready = err == nil; err != nil {
		s.Reason = err.Error()
	}
	for _, netuid := range g.cfg.Netuids {
		one := SubnetStatus{Netuid: netuid, Miners: []client.Health{}}
		health, err := g.network.Health(ctx, netuid)
		if err != nil {
			one.Error = err.Error()
		} else {
			one.Miners = health
		}
		s.Subnets = append(s.Subnets, one)
	}
	g.spent(&s)
	if g.wallet != nil {
		balance := g.wallet.Balance()
		s.Wallet, s.Channels = &balance, g.wallet.Channels()
	}
	return s
}

// spent adds what the keys have spent.
func (g *Gateway) spent(s *Status) {
	if g.cfg.Open != nil {
		s.Keys[openID] = g.cfg.Ledger.Spent(openID)
	}
	if g.cfg.Keys == nil {
		return
	}
	list, err := g.cfg.Keys.List()
	if err != nil {
		s.Reason = err.Error()
		return
	}
	for _, k := range list {
		s.Keys[k.Name] = g.cfg.Ledger.Spent(k.ID)
	}
}
