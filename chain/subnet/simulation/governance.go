package simulation

import (
	"cmp"
	"slices"

	sdk "github.com/cosmos/cosmos-sdk/types"
	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// updateParams tries to change the parameters, or a subnet, without governance.
func updateParams(w *world) (draft, error) {
	signer := w.account()
	d := draft{signer: signer, wrong: true, msg: &subnetv1.MsgUpdateParams{Authority: signer.AddressBech32, Params: w.nextParams()}}
	return d, nil
}

// nextParams draws parameters for the chain as it is, often with its beacon.
func (w *world) nextParams() subnetv1.Params {
	beacon := w.state.Params.Beacon
	switch w.r.Intn(4) {
	case 0:
		beacon = w.m.beaconParams(w.ctx.BlockTime().Unix(), w.r)
	case 1:
		beacon = subnetv1.Beacon{}
	}
	return RandomParams(w.r, max(w.balance(w.account().Address), 1_000_000), beacon)
}

// proposal draws a message that governance is to send, wrong at times: then the
// proposal passes and fails.
func (w *world) proposal() (sdk.Msg, error) {
	if others := w.m.cfg.Proposals; len(others) > 0 && chance(w.r, 15) {
		return oneOf(w.r, others)(w.r), nil
	}
	s, err := w.subnet()
	switch {
	case err != nil || chance(w.r, 40):
		p := w.nextParams()
		if w.spoil() {
			p.MaxEpochsPerBlock = 0
		}
		return &subnetv1.MsgUpdateParams{Authority: authority(), Params: p}, nil
	case chance(w.r, 20):
		return &subnetv1.MsgRemoveSubnet{Sender: authority(), Netuid: s.Subnet.Netuid}, nil
	default:
		return &subnetv1.MsgSetHyperparams{
			Sender: authority(), Netuid: s.Subnet.Netuid,
			Hyperparams: RandomHyperparams(w.r, max(w.balance(w.account().Address), 1_000_000)),
		}, nil
	}
}

// propose brings something before governance, with the whole deposit, and plans
// the votes that it takes to pass.
func propose(w *world) (draft, error) {
	msg, err := w.proposal()
	if err != nil {
		return draft{}, err
	}
	params, err := w.m.cfg.Gov.Params.Get(w.ctx)
	if err != nil {
		return draft{}, err
	}
	expedited, deposit := chance(w.r, 60), params.MinDeposit
	if expedited {
		deposit = params.ExpeditedMinDeposit
	}
	id, err := w.m.cfg.Gov.ProposalID.Peek(w.ctx)
	if err != nil {
		return draft{}, err
	}
	proposer := w.payer()
	submit, err := govv1.NewMsgSubmitProposal([]sdk.Msg{msg}, deposit, proposer.AddressBech32, "", w.text(1, 50), w.text(1, 50), expedited)
	if err != nil {
		return draft{}, err
	}
	d := draft{signer: proposer, msg: submit}
	voters, err := w.majority()
	if err != nil {
		return draft{}, err
	}
	for _, voter := range voters {
		d.then = append(d.then, w.at(w.height()+1, vote(id, voter)))
	}
	return d, nil
}

// majority lists operators with three quarters of the bonded stake.
func (w *world) majority() ([]simtypes.Account, error) {
	all, err := w.m.cfg.Staking.GetAllValidators(w.ctx)
	if err != nil {
		return nil, err
	}
	bonded := slices.DeleteFunc(all, func(v stakingtypes.Validator) bool { return !v.IsBonded() })
	total := uint64(0)
	for _, v := range bonded {
		total += v.Tokens.Uint64()
	}
	slices.SortStableFunc(bonded, func(a, b stakingtypes.Validator) int { return cmp.Compare(b.Tokens.Uint64(), a.Tokens.Uint64()) })
	var voters []simtypes.Account
	for sum := uint64(0); len(bonded) > 0 && sum < total/4*3; bonded = bonded[1:] {
		sum += bonded[0].Tokens.Uint64()
		if a, err := w.signer(accountOf(bonded[0])); err == nil {
			voters = append(voters, a)
		}
	}
	return voters, nil
}

func vote(id uint64, voter simtypes.Account) draw {
	return func(*world) (draft, error) {
		return draft{signer: voter, msg: govv1.NewMsgVote(voter.Address, id, govv1.OptionYes, "")}, nil
	}
}
