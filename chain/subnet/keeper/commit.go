package keeper

import (
	"context"
	"fmt"

	"cosmossdk.io/collections"

	"github.com/cosmos/cosmos-sdk/codec"
	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/chain/timelock"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// Bounds of the parameters of commit-reveal.
const (
	maxRevealsPerBlock = 256   // a second's work
	maxBeaconPeriod    = 86400 // seconds
	// maxWaitSeconds bounds how far ahead a commit's round may lie.
	maxWaitSeconds = 366 * 86400
)

// DefaultBeacon is drand's quicknet.
func DefaultBeacon() subnetv1.Beacon {
	key, schedule := timelock.Quicknet()
	return subnetv1.Beacon{PublicKey: key, GenesisTime: schedule.Genesis, PeriodSeconds: schedule.Period}
}

// validateCommitParams reports parameters of commit-reveal that are out of
// bounds.
func validateCommitParams(p subnetv1.Params) error {
	if p.MaxRevealsPerBlock < 1 || p.MaxRevealsPerBlock > maxRevealsPerBlock {
		return fmt.Errorf("max_reveals_per_block is %d, want 1 to %d: %w", p.MaxRevealsPerBlock, maxRevealsPerBlock, subnet.ErrInvalidParams)
	}
	if p.FailedCommitFee > subnet.Cap {
		return fmt.Errorf("failed_commit_fee is %d, the most is %d: %w", p.FailedCommitFee, subnet.Cap, subnet.ErrInvalidParams)
	}
	b := p.Beacon
	if len(b.PublicKey) == 0 {
		return nil
	}
	if _, err := timelock.ParsePublicKey(b.PublicKey); err != nil {
		return fmt.Errorf("public_key of the beacon: %v: %w", err, subnet.ErrInvalidParams)
	}
	if b.PeriodSeconds < 1 || b.PeriodSeconds > maxBeaconPeriod {
		return fmt.Errorf("period_seconds of the beacon is %d, want 1 to %d: %w", b.PeriodSeconds, maxBeaconPeriod, subnet.ErrInvalidParams)
	}
	if b.GenesisTime < 0 {
		return fmt.Errorf("genesis_time of the beacon is %d, want 0 or more: %w", b.GenesisTime, subnet.ErrInvalidParams)
	}
	return nil
}

// commitKey is (netuid, uid, id).
type commitKey = collections.Triple[uint32, uint32, uint64]

// commitState is what commit-reveal stores.
type commitState struct {
	commits   collections.Map[commitKey, subnetv1.Commit]
	queue     collections.Map[collections.Pair[uint64, uint64], subnetv1.QueuedCommit] // (round, id): timelocked and hidden
	committed collections.Map[uidKey, uint64]                                          // height of a neuron's last commit
	pulses    collections.Map[uint64, subnetv1.Pulse]                                  // by round, while commits wait to be opened with them
	lastPulse collections.Item[subnetv1.Pulse]
	nextID    collections.Item[uint64]
}

func newCommitState(sb *collections.SchemaBuilder, cdc codec.BinaryCodec) commitState {
	u32, u64 := collections.Uint32Key, collections.Uint64Key
	return commitState{
		commits: collections.NewMap(sb, collections.NewPrefix(40), "commits",
			collections.TripleKeyCodec(u32, u32, u64), codec.CollValue[subnetv1.Commit](cdc)),
		queue: collections.NewMap(sb, collections.NewPrefix(41), "commit_queue",
			collections.PairKeyCodec(u64, u64), codec.CollValue[subnetv1.QueuedCommit](cdc)),
		committed: collections.NewMap(sb, collections.NewPrefix(42), "committed",
			collections.PairKeyCodec(u32, u32), collections.Uint64Value),
		pulses:    collections.NewMap(sb, collections.NewPrefix(43), "pulses", u64, codec.CollValue[subnetv1.Pulse](cdc)),
		lastPulse: collections.NewItem(sb, collections.NewPrefix(44), "last_pulse", codec.CollValue[subnetv1.Pulse](cdc)),
		nextID:    collections.NewItem(sb, collections.NewPrefix(45), "next_commit", collections.Uint64Value),
	}
}

func commitKeyOf(c subnetv1.Commit) commitKey { return collections.Join3(c.Netuid, c.Uid, c.Id) }

// ofNeuron ranges over the commits of one uid, oldest first.
func ofNeuron(netuid, uid uint32) collections.Ranger[commitKey] {
	return collections.NewSuperPrefixedTripleRange[uint32, uint32, uint64](netuid, uid)
}

func (k *Keeper) commitsOf(ctx context.Context, r collections.Ranger[commitKey]) ([]subnetv1.Commit, error) {
	it, err := k.hidden.commits.Iterate(ctx, r)
	if err != nil {
		return nil, err
	}
	return it.Values()
}

func isHidden(c subnetv1.Commit) bool { return c.Status == subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN }

func isTimelocked(c subnetv1.Commit) bool { return len(c.Hash) == 0 }

// ruleOf is a commit as the rules see it.
func ruleOf(ctx context.Context, c subnetv1.Commit) subnet.Commit {
	scheme := subnet.CommitRevealHash
	if isTimelocked(c) {
		scheme = subnet.CommitRevealTimelock
	}
	return subnet.Commit{
		Scheme: scheme, ChainID: sdk.UnwrapSDKContext(ctx).ChainID(), Netuid: c.Netuid, Hotkey: c.Hotkey,
		Height: c.Height, Epoch: c.Epoch, Due: c.Due,
	}
}

// committer is what the checks of a commit found out.
type committer struct {
	subnet subnetv1.Subnet
	hyper  subnet.Hyperparams
	params subnetv1.Params
	uid    uint32
}

// checkCommitter applies the checks that both schemes share.
func (k *Keeper) checkCommitter(ctx context.Context, scheme string, netuid uint32, hotkey string, epoch uint64) (committer, error) {
	var c committer
	var err error
	if c, err = k.committer(ctx, netuid, hotkey); err != nil {
		return c, err
	}
	author, err := k.author(ctx, c.subnet, c.uid, hotkey)
	if err != nil {
		return c, err
	}
	mine, err := k.commitsOf(ctx, ofNeuron(netuid, c.uid))
	if err != nil {
		return c, err
	}
	window := subnet.Window{Epochs: c.subnet.Epochs, Named: epoch}
	for _, m := range mine {
		window.Committed = window.Committed || isHidden(m) && m.Epoch == c.subnet.Epochs
	}
	return c, refuse(c.hyper.CheckCommit(scheme, c.params.StakeThreshold, height(ctx), author, window))
}

func (k *Keeper) committer(ctx context.Context, netuid uint32, hotkey string) (c committer, err error) {
	if c.subnet, err = k.subnet(ctx, netuid); err != nil {
		return c, err
	}
	if c.uid, err = k.uidOf(ctx, netuid, hotkey); err != nil {
		return c, err
	}
	if c.params, err = k.params.Get(ctx); err != nil {
		return c, err
	}
	c.hyper, err = HyperparamsFromProto(c.subnet.Hyperparams)
	return c, err
}

// checkCommitWeights decides whether a hotkey may commit to a round now.
func (k *Keeper) checkCommitWeights(ctx context.Context, msg *subnetv1.MsgCommitWeights) (committer, error) {
	c, err := k.checkCommitter(ctx, subnet.CommitRevealTimelock, msg.Netuid, msg.Hotkey, msg.Epoch)
	if err != nil {
		return c, err
	}
	if len(c.params.Beacon.PublicKey) == 0 {
		return c, ErrNoBeacon.Wrap("governance has to name one in the parameters")
	}
	if n, most := len(msg.Ciphertext), sealing.MaxCiphertext(c.hyper.MaxUIDs); n <= timelock.Overhead || n > most {
		return c, ErrInvalidCommit.Wrapf("ciphertext has %d bytes, want %d to %d for a subnet of %d uids", n, timelock.Overhead+1, most, c.hyper.MaxUIDs)
	}
	pulse, err := itemOr(ctx, k.hidden.lastPulse)
	if err != nil {
		return c, err
	}
	schedule := sealing.Schedule(c.params.Beacon)
	now := sdk.UnwrapSDKContext(ctx).BlockTime().Unix()
	first, last := max(schedule.RoundAt(now), pulse.Round)+1, schedule.RoundAfter(now+maxWaitSeconds)
	if msg.Round < first || msg.Round > last {
		return c, ErrWrongRound.Wrapf("round %d, want %d (the next that is published) to %d", msg.Round, first, last)
	}
	return c, nil
}

// checkCommitHash decides whether a hotkey may commit to a hash, open an
// earlier one, or do both now.
func (k *Keeper) checkCommitHash(ctx context.Context, msg *subnetv1.MsgCommitHash) error {
	if len(msg.Hash) == 0 && msg.Opening == nil {
		return ErrInvalidCommit.Wrap("neither a hash to commit to nor an opening")
	}
	if len(msg.Hash) != 0 && len(msg.Hash) != 32 {
		return ErrInvalidCommit.Wrapf("hash has %d bytes, want 32", len(msg.Hash))
	}
	if msg.Opening != nil {
		if _, err := k.checkOpening(ctx, msg); err != nil {
			return err
		}
	}
	if len(msg.Hash) == 0 {
		return nil
	}
	_, err := k.checkCommitter(ctx, subnet.CommitRevealHash, msg.Netuid, msg.Hotkey, msg.Epoch)
	return err
}

// addCommit stores a commit as the neuron's last one.
func (k *Keeper) addCommit(ctx context.Context, by committer, hotkey string, c subnetv1.Commit) (uint64, error) {
	id, err := itemOr(ctx, k.hidden.nextID)
	if err != nil {
		return 0, err
	}
	c.Id = max(id, 1)
	if err := k.hidden.nextID.Set(ctx, c.Id+1); err != nil {
		return 0, err
	}
	c.Netuid, c.Uid, c.Hotkey = by.subnet.Netuid, by.uid, hotkey
	c.Height, c.Epoch, c.Due = height(ctx), by.subnet.Epochs, by.hyper.CommitDue(by.subnet.Epochs)
	c.Status = subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN
	if err := k.hidden.commits.Set(ctx, commitKeyOf(c), c); err != nil {
		return 0, err
	}
	if err := k.hidden.committed.Set(ctx, rowKey(c.Netuid, int(c.Uid)), c.Height); err != nil {
		return 0, err
	}
	emitEvent(ctx, "commit", attr("id", c.Id), attr("netuid", c.Netuid), attr("uid", c.Uid), attr("hotkey", hotkey),
		attr("epoch", c.Epoch), attr("due", c.Due), attr("round", c.Round))
	if !isTimelocked(c) {
		return c.Id, nil
	}
	return c.Id, k.enqueue(ctx, c)
}

func (k *Keeper) enqueue(ctx context.Context, c subnetv1.Commit) error {
	return k.hidden.queue.Set(ctx, collections.Join(c.Round, c.Id), subnetv1.QueuedCommit{Netuid: c.Netuid, Uid: c.Uid, Due: c.Due})
}

// checkOpening finds the hidden commit that an opening is of, and decides
// whether it may be opened now.
func (k *Keeper) checkOpening(ctx context.Context, msg *subnetv1.MsgCommitHash) (opened, error) {
	by, err := k.committer(ctx, msg.Netuid, msg.Hotkey)
	if err != nil {
		return opened{}, err
	}
	c, err := k.hiddenHash(ctx, by, msg.Opening.Epoch)
	if err != nil {
		return opened{}, err
	}
	rule := ruleOf(ctx, c)
	if err := rule.CheckDue(by.subnet.Epochs); err != nil {
		return opened{}, refuse(err)
	}
	hash, err := sealing.Hash(msg.Opening)
	if err != nil {
		return opened{}, ErrInvalidCommit.Wrap(err.Error())
	}
	if string(hash) != string(c.Hash) {
		return opened{}, ErrWrongOpening.Wrapf("its hash is %X, commit %d of epoch %d is to %X", hash, c.Id, c.Epoch, c.Hash)
	}
	holder, err := k.holder(ctx, c.Netuid, c.Uid)
	if err != nil {
		return opened{}, err
	}
	vacant, err := k.vacantUIDs(ctx, by.subnet)
	if err != nil {
		return opened{}, err
	}
	row, err := contents(rule, holder, by.hyper, by.subnet.Neurons, vacant, func() (*subnetv1.SealedWeights, error) { return msg.Opening, nil })
	return opened{commit: c, row: row}, refuse(err)
}

// hiddenHash returns the hidden commit to a hash that a neuron made in an
// epoch.
func (k *Keeper) hiddenHash(ctx context.Context, by committer, epoch uint64) (subnetv1.Commit, error) {
	mine, err := k.commitsOf(ctx, ofNeuron(by.subnet.Netuid, by.uid))
	if err != nil {
		return subnetv1.Commit{}, err
	}
	for _, c := range mine {
		if isHidden(c) && !isTimelocked(c) && c.Epoch == epoch {
			return c, nil
		}
	}
	return subnetv1.Commit{}, ErrUnknownCommit.Wrapf("uid %d of subnet %d has no hidden commit of epoch %d", by.uid, by.subnet.Netuid, epoch)
}

// dropCommits forgets every commit of a uid that changes hands.
func (k *Keeper) dropCommits(ctx context.Context, netuid, uid uint32) error {
	all, err := k.commitsOf(ctx, ofNeuron(netuid, uid))
	if err != nil {
		return err
	}
	for _, c := range all {
		if isHidden(c) {
			emitEvent(ctx, "commit_dropped", attr("id", c.Id), attr("netuid", netuid), attr("uid", uid), attr("hotkey", c.Hotkey))
		}
		if err := k.dropCommit(ctx, c); err != nil {
			return err
		}
	}
	return k.hidden.committed.Remove(ctx, rowKey(netuid, int(uid)))
}

func (k *Keeper) dropCommit(ctx context.Context, c subnetv1.Commit) error {
	if err := k.hidden.queue.Remove(ctx, collections.Join(c.Round, c.Id)); err != nil {
		return err
	}
	return k.hidden.commits.Remove(ctx, commitKeyOf(c))
}

// dropSubnetCommits forgets every commit of a subnet that is removed.
func (k *Keeper) dropSubnetCommits(ctx context.Context, netuid uint32) error {
	all, err := k.commitsOf(ctx, collections.NewPrefixedTripleRange[uint32, uint32, uint64](netuid))
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := k.dropCommit(ctx, c); err != nil {
			return err
		}
	}
	return k.hidden.committed.Clear(ctx, inSubnet(netuid))
}

// lastCommits returns the height of the last commit of every uid below n, 0 for
// none.
func (k *Keeper) lastCommits(ctx context.Context, netuid uint32, n int) ([]uint64, error) {
	heights := make([]uint64, n)
	err := k.hidden.committed.Walk(ctx, inSubnet(netuid), func(key uidKey, h uint64) (bool, error) {
		if int(key.K2()) < n {
			heights[key.K2()] = h
		}
		return false, nil
	})
	return heights, err
}
