//go:build paid

package paid

import (
	"context"
	"sync"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/wallet"
)

// account is what is known of a channel from outside the wallet: what the chain took and gave back, and what the answers
// to calls cost.
type account struct {
	payer       string
	in, back    uint64 // nplx
	signed      uint64 // as the wallet said when the channel was collected
	collected   bool
	calls       int
	charged     uint64 // nplx that answers named
	forFailures uint64 // of it, by calls that failed
	unsure      uint64 // limits of calls whose outcome is not known
	limit       uint64 // the largest of a call
}

// redeemed is what the miner took.
func (a *account) redeemed() uint64 { return a.in - a.back }

// purse is the chain as the wallet of one caller sees it, and remembers what went in and what came back.
type purse struct {
	wallet.Chain
	payer  string
	ready  chan struct{} // closed when there is a wallet, which looks at the chain from its first moment
	wallet *wallet.Wallet

	mu       sync.Mutex
	accounts map[uint64]*account
}

// of returns the account of a channel. The caller holds mu.
func (p *purse) of(id uint64) *account {
	a := p.accounts[id]
	if a == nil {
		a = &account{payer: p.payer}
		p.accounts[id] = a
	}
	return a
}

func (p *purse) OpenChannel(ctx context.Context, o wallet.Opening) (uint64, error) {
	id, err := p.Chain.OpenChannel(ctx, o)
	if err == nil {
		p.add(id, o.Deposit)
	}
	return id, err
}

func (p *purse) TopUp(ctx context.Context, id, amount, expires uint64) error {
	err := p.Chain.TopUp(ctx, id, amount, expires)
	if err == nil {
		p.add(id, amount)
	}
	return err
}

func (p *purse) add(id, nplx uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(id).in += nplx
}

func (p *purse) Collect(ctx context.Context, id uint64) (uint64, error) {
	<-p.ready
	signed := uint64(0)
	for _, c := range p.wallet.Channels() {
		if c.ID == id {
			signed = c.Signed
		}
	}
	back, err := p.Chain.Collect(ctx, id)
	if err != nil {
		return back, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of(id)
	a.back, a.signed, a.collected = back, signed, true
	return back, nil
}

// observe enters a call of a miner.
func (p *purse) observe(call client.Call) {
	if call.Channel == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of(call.Channel)
	a.calls++
	a.charged += call.Charged
	a.limit = max(a.limit, call.Limit)
	if call.Err != nil {
		a.forFailures += call.Charged
	}
	if call.Unsure {
		a.unsure += call.Limit
	}
}
