package simulation

import (
	"slices"

	simtypes "github.com/cosmos/cosmos-sdk/types/simulation"

	"github.com/plexusnet/plexus/chain/sealing"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// secondsPerBlock is about what lies between two blocks of the simulator.
const secondsPerBlock = 7_500

func setRootWeights(w *world) (draft, error) {
	if len(w.state.Bindings) == 0 {
		return draft{}, errNothing
	}
	signer, err := w.signer(oneOf(w.r, w.state.Bindings).Hotkey)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgSetRootWeights{Hotkey: signer.AddressBech32}
	for _, s := range w.state.Subnets {
		if chance(w.r, 60) {
			msg.Netuids = append(msg.Netuids, s.Subnet.Netuid)
			msg.Values = append(msg.Values, uint32(between(w.r, 1, 65535)))
		}
	}
	d := draft{signer: signer, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(4) {
	case 0:
		msg.Netuids, msg.Values = append(msg.Netuids, w.nobodysNetuid()), append(msg.Values, 1)
	case 1:
		msg.Values = append(msg.Values, 1)
	case 2:
		msg.Netuids, msg.Values = []uint32{1}, []uint32{65536}
	case 3:
		if d.signer = w.account(); w.bound[d.signer.AddressBech32] != "" {
			return draft{}, errNothing
		}
		msg.Hotkey = d.signer.AddressBech32
	}
	return d, nil
}

// opinion draws weights over some of the neurons of a subnet.
func (w *world) opinion(s subnetv1.GenesisSubnet) (uids, values []uint32) {
	for _, n := range seated(s) {
		if chance(w.r, 70) {
			uids, values = append(uids, n.Uid), append(values, uint32(between(w.r, 0, 65535)))
		}
	}
	return uids, values
}

// spoilOpinion makes weights wrong, whatever they were.
func (w *world) spoilOpinion(s subnetv1.GenesisSubnet, uids, values *[]uint32, version *uint64) {
	switch w.r.Intn(4) {
	case 0:
		*uids, *values = append(*uids, s.Subnet.Neurons+uint32(w.r.Intn(100))), append(*values, 1)
	case 1:
		*uids, *values = append(*uids, 0, 0), append(*values, 1, 2)
	case 2:
		*values = append(*values, 7)
	case 3:
		*version++
	}
}

// setWeights says what neurons are worth, and does so again when it may.
func setWeights(w *world) (draft, error) {
	s, err := w.subnetWith(subnet.CommitRevealOff)
	if err != nil {
		return draft{}, err
	}
	n, err := w.validator(s)
	if err != nil {
		return draft{}, err
	}
	return setWeightsOf(s.Subnet.Netuid, n.Hotkey)(w)
}

func setWeightsOf(netuid uint32, hotkey string) draw {
	return func(w *world) (draft, error) {
		s, err := w.named(netuid)
		if err != nil {
			return draft{}, err
		}
		signer, err := w.signer(hotkey)
		if err != nil {
			return draft{}, err
		}
		h := s.Subnet.Hyperparams
		msg := &subnetv1.MsgSetWeights{Hotkey: hotkey, Netuid: netuid, Version: h.WeightsVersion}
		msg.Uids, msg.Values = w.opinion(s)
		d := draft{signer: signer, msg: msg}
		if w.spoil() {
			d.wrong = true
			w.spoilOpinion(s, &msg.Uids, &msg.Values, &msg.Version)
		}
		if chance(w.r, 70) {
			d.then = append(d.then, w.at(w.height()+h.WeightsRateLimit, setWeightsOf(netuid, hotkey)))
		}
		return d, nil
	}
}

// sealed draws weights to hide, wrong in themselves at times: that shows only
// when they are opened.
func (w *world) sealed(s subnetv1.GenesisSubnet, hotkey string) *subnetv1.SealedWeights {
	sealed := &subnetv1.SealedWeights{
		ChainId: w.chainID, Netuid: s.Subnet.Netuid, Hotkey: hotkey, Epoch: s.Subnet.Epochs,
		Version: s.Subnet.Hyperparams.WeightsVersion, Salt: w.bytes(int(between(w.r, subnet.MinSaltBytes, subnet.MaxSaltBytes))),
	}
	sealed.Uids, sealed.Values = w.opinion(s)
	if chance(w.r, 10) {
		w.spoilOpinion(s, &sealed.Uids, &sealed.Values, &sealed.Version)
	}
	if chance(w.r, 5) {
		sealed.Hotkey = w.account().AddressBech32
	}
	return sealed
}

// commitWeights hides weights until a round that is soon out, and has somebody
// bring the round then.
func commitWeights(w *world) (draft, error) {
	s, err := w.subnetWith(subnet.CommitRevealTimelock)
	if err != nil {
		return draft{}, err
	}
	n, err := w.validator(s)
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(n.Hotkey)
	if err != nil {
		return draft{}, err
	}
	beacon := w.state.Params.Beacon
	if len(beacon.PublicKey) == 0 {
		return draft{}, errNothing
	}
	now := w.ctx.BlockTime().Unix()
	round := max(sealing.Schedule(beacon).RoundAt(now), w.lastRound()) + between(w.r, 1, 12)
	ciphertext, err := w.m.cfg.Seal(beacon, round, w.sealed(s, n.Hotkey))
	if err != nil {
		return draft{}, err
	}
	if chance(w.r, 5) {
		ciphertext = w.bytes(len(ciphertext))
	}
	msg := &subnetv1.MsgCommitWeights{Hotkey: n.Hotkey, Netuid: s.Subnet.Netuid, Round: round, Ciphertext: ciphertext, Epoch: s.Subnet.Epochs}
	blocks := uint64(max(sealing.Schedule(beacon).TimeOf(round)-now, 0))/secondsPerBlock + 1
	d := draft{signer: signer, msg: msg}
	if chance(w.r, 80) {
		d.then = append(d.then, w.at(w.height()+blocks+between(w.r, 0, 3), submitPulse))
	}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(4) {
	case 0:
		msg.Round = sealing.Schedule(beacon).RoundAt(now)
	case 1:
		msg.Epoch++
	case 2:
		msg.Ciphertext = w.bytes(w.r.Intn(100))
	case 3:
		msg.Netuid = w.nobodysNetuid()
	}
	return d, nil
}

// lastRound is the highest round that the chain has.
func (w *world) lastRound() uint64 {
	if n := len(w.state.Pulses); n > 0 {
		return w.state.Pulses[n-1].Round
	}
	return 0
}

// awaited lists the rounds that commits wait for and the chain has not.
func (w *world) awaited() []uint64 {
	var rounds []uint64
	for _, c := range w.state.Commits {
		here := slices.ContainsFunc(w.state.Pulses, func(p subnetv1.Pulse) bool { return p.Round == c.Round })
		if c.Status == subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN && c.Round > 0 && !here && !slices.Contains(rounds, c.Round) {
			rounds = append(rounds, c.Round)
		}
	}
	return rounds
}

// submitPulse brings a round that commits wait for, if it is out.
func submitPulse(w *world) (draft, error) {
	signer := w.account()
	rounds := w.awaited()
	if len(rounds) == 0 {
		return draft{}, errNothing
	}
	round := oneOf(w.r, rounds)
	now := w.ctx.BlockTime().Unix()
	if round > sealing.Schedule(w.state.Params.Beacon).RoundAt(now) {
		return draft{}, errNothing
	}
	wrong, signed := w.spoil(), round
	if wrong {
		signed++
	}
	signature, err := w.m.beacon.Sign(signed)
	if err != nil {
		return draft{}, err
	}
	if wrong && chance(w.r, 50) {
		round = signed + 1_000_000 // rightly signed or not, nothing waits for it
	}
	return draft{signer: signer, wrong: wrong, msg: &subnetv1.MsgSubmitPulse{Sender: signer.AddressBech32, Round: round, Signature: signature}}, nil
}

// commitHash hides weights behind a hash, and opens it when it is due.
func commitHash(w *world) (draft, error) {
	s, err := w.subnetWith(subnet.CommitRevealHash)
	if err != nil {
		return draft{}, err
	}
	n, err := w.validator(s)
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(n.Hotkey)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgCommitHash{Hotkey: n.Hotkey, Netuid: s.Subnet.Netuid}
	d := draft{signer: signer, msg: msg}
	if d.then, err = w.hide(s, msg); err != nil || !w.spoil() {
		return d, err
	}
	d.wrong = true
	switch w.r.Intn(4) {
	case 0:
		msg.Hash = w.bytes(31)
	case 1:
		msg.Epoch++
	case 2:
		msg.Hash = nil
	case 3:
		msg.Netuid = w.nobodysNetuid()
	}
	return d, nil
}

// hide puts the hash of new weights into a message and returns when they are to
// be opened.
func (w *world) hide(s subnetv1.GenesisSubnet, msg *subnetv1.MsgCommitHash) ([]simtypes.FutureOperation, error) {
	sealed := w.sealed(s, msg.Hotkey)
	hash, err := sealing.Hash(sealed)
	if err != nil {
		return nil, err
	}
	msg.Hash, msg.Epoch = hash, s.Subnet.Epochs
	if chance(w.r, 10) {
		return nil, nil // forgotten
	}
	h := s.Subnet.Hyperparams
	due := s.Subnet.LastEpoch + h.Tempo*h.RevealPeriod + between(w.r, 0, h.Tempo/2)
	return []simtypes.FutureOperation{w.at(due, openHash(sealed, msg.Hotkey))}, nil
}

// openHash opens what a hotkey hid, and at times hides the next in the same
// message.
func openHash(sealed *subnetv1.SealedWeights, hotkey string) draw {
	return func(w *world) (draft, error) {
		s, err := w.named(sealed.Netuid)
		if err != nil {
			return draft{}, err
		}
		signer, err := w.signer(hotkey)
		if err != nil {
			return draft{}, err
		}
		opening := *sealed
		msg := &subnetv1.MsgCommitHash{Hotkey: hotkey, Netuid: sealed.Netuid, Opening: &opening}
		d := draft{signer: signer, msg: msg}
		if w.spoil() {
			d.wrong = true
			opening.Salt = w.bytes(len(opening.Salt))
			return d, nil
		}
		if chance(w.r, 60) {
			d.then, err = w.hide(s, msg)
		}
		return d, err
	}
}
