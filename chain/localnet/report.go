package localnet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Summary is what a run showed. Amounts are nplx.
type Summary struct {
	Places     Places  `json:"places"`
	Netuid     uint32  `json:"netuid"`
	Height     uint64  `json:"height"`
	Epochs     uint64  `json:"epochs"`
	PaidEpochs int     `json:"paid_epochs"` // epochs in which miners were paid
	FirstPaid  float64 `json:"first_paid_seconds"`

	Miners     []Standing `json:"miners"` // by what they earned
	Validators []Standing `json:"validators"`
	// Ranked: the miners earned in the order of their models' accuracy.
	Ranked bool `json:"ranked"`

	Supply SupplyCheck `json:"supply"`
	Split  SplitCheck  `json:"split"`
}

// Standing is what one neuron did.
type Standing struct {
	UID      int      `json:"uid"`
	Name     string   `json:"name"`
	Quality  string   `json:"quality,omitempty"`
	Hotkey   string   `json:"hotkey"`
	Coldkey  string   `json:"coldkey"`
	Accuracy *float64 `json:"accuracy,omitempty"` // on held-out images, 0 to 1
	Stake    uint64   `json:"stake"`
	Share    float64  `json:"share"` // last incentive of a miner, dividends of a validator
	Earned   uint64   `json:"earned"`
	Balance  uint64   `json:"balance"`
}

// SplitCheck adds up where the emission went, in nplx.
type SplitCheck struct {
	Owner      uint64   `json:"owner"`
	Miners     uint64   `json:"miners"`
	Validators uint64   `json:"validators"`
	Burned     uint64   `json:"burned"` // miners' part of epochs without incentive
	Pending    uint64   `json:"pending"`
	Epochs     uint64   `json:"epochs"`
	Faults     []string `json:"faults"` // epochs that were not divided by the rule
	Exact      bool     `json:"exact"`  // all of the emission is accounted for, by the rule
}

// summarize draws up the report of a run from its last view.
func summarize(at Places, genesis uint64, v *View, s snapshot, l *ledger) *Summary {
	sum := &Summary{
		Places: at, Netuid: s.subnet.Subnet.Netuid, Height: v.Height, Epochs: v.Epoch, PaidEpochs: v.Paid,
		Supply: checkSupply(genesis, v.Created, s.emission),
		Split:  checkSplits(s.subnet, s.emission, l),
	}
	for _, r := range v.Rows {
		standing := Standing{UID: r.UID, Name: r.Name, Quality: r.Quality, Hotkey: r.Hotkey, Coldkey: r.Coldkey,
			Stake: r.Stake, Share: r.Incentive, Earned: r.Earned, Balance: r.Balance}
		if r.Role == RoleValidator {
			standing.Share = r.Dividends
			sum.Validators = append(sum.Validators, standing)
			continue
		}
		if r.Accuracy >= 0 {
			standing.Accuracy = &r.Accuracy
		}
		sum.Miners = append(sum.Miners, standing)
	}
	slices.SortStableFunc(sum.Miners, func(a, b Standing) int { return cmp.Compare(b.Earned, a.Earned) })
	sum.Ranked = ranked(sum.Miners)
	return sum
}

// ranked tells whether miners in order of earnings are in order of accuracy.
// Those whose accuracy is unknown do not count.
func ranked(miners []Standing) bool {
	known := slices.DeleteFunc(slices.Clone(miners), func(s Standing) bool { return s.Accuracy == nil })
	return slices.IsSortedFunc(known, func(a, b Standing) int { return cmp.Compare(*b.Accuracy, *a.Accuracy) })
}

// checkSplits compares the chain's books with the rule and with each other.
func checkSplits(info *subnetv1.SubnetInfo, e *subnetv1.QueryEmissionResponse, l *ledger) SplitCheck {
	books := info.Subnet.Ledger
	c := SplitCheck{
		Owner: books.OwnerPaid, Miners: books.MinersPaid, Validators: books.ValidatorsPaid, Burned: books.Burned,
		Pending: e.Pending, Epochs: l.epochs, Faults: []string{},
	}
	for _, fault := range l.faults {
		c.Faults = append(c.Faults, fault.Error())
	}
	given := c.Owner + c.Miners + c.Validators + c.Burned + c.Pending
	if given != e.Totals.Minted {
		c.Faults = append(c.Faults, fmt.Sprintf("%d nplx were minted, but %d are accounted for", e.Totals.Minted, given))
	}
	if l.missed > 0 {
		c.Faults = append(c.Faults, fmt.Sprintf("%d epochs passed unseen", l.missed))
	}
	c.Exact = len(c.Faults) == 0
	return c
}

// Report is a summary for people.
func Report(s *Summary) string {
	var b strings.Builder
	fmt.Fprintf(&b, "After %d epochs, %d of which paid miners (the first %.0f s after the start):\n\n", s.Epochs, s.PaidEpochs, s.FirstPaid)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RANK\tMINER\tEARNED PLX\tOF ALL\tMODEL'S HELD-OUT ACCURACY\t")
	total := uint64(0)
	for _, m := range s.Miners {
		total += m.Earned
	}
	for i, m := range s.Miners {
		name, acc := m.Name, "unknown"
		if name == "" {
			name = short(m.Hotkey)
		}
		if m.Accuracy != nil {
			acc = fmt.Sprintf("%.1f %%", 100**m.Accuracy)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%.1f %%\t%s\t\n", i+1, name, FormatPLX(m.Earned), 100*float64(m.Earned)/float64(max(total, 1)), acc)
	}
	_ = w.Flush()
	b.WriteString("\n")
	if s.Ranked {
		b.WriteString("The better model earned more: the order of earnings is the order of accuracy.\n")
	} else {
		b.WriteString("The order of earnings is NOT the order of accuracy.\n")
	}
	c := s.Supply
	fmt.Fprintf(&b, "Supply %d nplx %s genesis %d + %d block rewards %d - burned %d.\n",
		c.Supply, equals(c.Exact), c.Genesis, c.Blocks, c.Rewards, c.Burned)
	d := s.Split
	fmt.Fprintf(&b, "Emission: owner %d, miners %d, validators %d, burned %d, pending %d nplx: %s.\n",
		d.Owner, d.Miners, d.Validators, d.Burned, d.Pending, verdict(d))
	return trimLines(b.String())
}

func equals(exact bool) string {
	if exact {
		return "="
	}
	return "IS NOT"
}

func verdict(c SplitCheck) string {
	if c.Exact {
		return fmt.Sprintf("18/41/41 to the unit in each of %d epochs, the rest carried over", c.Epochs)
	}
	return "NOT BY THE RULE: " + strings.Join(c.Faults, "; ")
}
