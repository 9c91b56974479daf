package localnet

import (
	"fmt"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// SupplyCheck compares the supply with what it is made of, in nplx.
type SupplyCheck struct {
	Genesis uint64 `json:"genesis"`
	Blocks  uint64 `json:"rewarded_blocks"` // since there is a subnet
	Rewards uint64 `json:"block_rewards"`
	Burned  uint64 `json:"burned"`
	Supply  uint64 `json:"supply"`
	Exact   bool   `json:"exact"` // supply = genesis + rewards - burned
}

// checkSupply expects a chain whose first subnet was created at height created,
// whose only burns are its own, and that has not reached a halving.
func checkSupply(genesis, created uint64, e *subnetv1.QueryEmissionResponse) SupplyCheck {
	c := SupplyCheck{Genesis: genesis, Burned: e.Totals.Burned, Supply: e.Supply}
	if e.Height >= created {
		c.Blocks = e.Height - created + 1
	}
	c.Rewards = c.Blocks * subnet.BlockReward(genesis)
	c.Exact = c.Supply+c.Burned == c.Genesis+c.Rewards && c.Rewards == e.Totals.Minted
	return c
}

// split is how one epoch divided its emission, in nplx.
type split struct {
	pending                           uint64 // what there was to divide
	owner, miners, validators, burned uint64
	carried                           uint64 // left for the next epoch
}

// splitOf reads an epoch off the subnet's ledger before it and after it.
// pending is what was carried into it and what the blocks since brought.
func splitOf(before, after subnetv1.Ledger, pending uint64) (split, error) {
	s := split{
		pending:    pending,
		owner:      after.OwnerPaid - before.OwnerPaid,
		miners:     after.MinersPaid - before.MinersPaid,
		validators: after.ValidatorsPaid - before.ValidatorsPaid,
		burned:     after.Burned - before.Burned,
	}
	paid := s.owner + s.miners + s.validators + s.burned
	if paid > pending {
		return s, fmt.Errorf("%d nplx were paid of %d", paid, pending)
	}
	s.carried = pending - paid
	return s, nil
}

// check compares the epoch with the rule: owner 18 %, miners 41 %, validators
// 41 %, all rounded down, the rest carried. A part that goes to several is
// rounded down again for each, which is carried as well; so is the validators'
// part as long as there is none.
func (s split) check(rule subnet.Split, neurons int) error {
	due := rule.Divide(s.pending)
	if s.owner != due.Owner {
		return fmt.Errorf("owner was paid %d of %d nplx, %d are due", s.owner, s.pending, due.Owner)
	}
	if err := within("miners", s.miners+s.burned, due.Miners, neurons); err != nil {
		return err
	}
	if s.validators == 0 {
		return nil
	}
	return within("validators", s.validators, due.Validators, neurons)
}

// within allows what dividing by shares of 32 binary places, each rounded down,
// can lose: a unit and 2^-32 of the amount for every neuron.
func within(who string, paid, due uint64, neurons int) error {
	slack := uint64(neurons) * (1 + due>>32 + 1)
	if paid > due || due-paid > slack {
		return fmt.Errorf("%s were paid %d nplx, %d are due", who, paid, due)
	}
	return nil
}
