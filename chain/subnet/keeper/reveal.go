package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/sealing"
	"github.com/plexusnet/plexus/consensus"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// errPanicked stands for a fault of our own while a commit was opened.
var errPanicked = errors.New("opening a commit panicked")

// settleCommits opens the timelocked commits that are due, in order of round
// and id and at most max_reveals_per_block of them, drops the pulses that
// nothing waits for any more, and lets those commits expire that missed their
// period. It must run before the epochs of the block. The subnets are all there
// are, by netuid.
func (k *Keeper) settleCommits(ctx context.Context, all []subnetv1.Subnet) error {
	if err := k.openDue(ctx, all); err != nil {
		return err
	}
	for _, s := range all {
		if s.Epochs > 0 && s.LastEpoch+1 == height(ctx) {
			if err := k.expireCommits(ctx, s); err != nil {
				return fmt.Errorf("subnet %d: %w", s.Netuid, err)
			}
		}
	}
	return k.prunePulses(ctx)
}

// dueCommit is a queued commit with the pulse that opens it.
type dueCommit struct {
	key    collections.Pair[uint64, uint64] // (round, id)
	queued subnetv1.QueuedCommit
	pulse  subnetv1.Pulse
}

func (k *Keeper) openDue(ctx context.Context, all []subnetv1.Subnet) error {
	due, err := k.dueCommits(ctx, all)
	if err != nil {
		return err
	}
	for _, d := range due {
		if err := k.openTimelocked(ctx, d); err != nil {
			return fmt.Errorf("commit %d: %w", d.key.K2(), err)
		}
	}
	return nil
}

// dueCommits returns the commits to open in this block. One whose subnet has
// not run its epoch yet is passed over and holds up nobody.
func (k *Keeper) dueCommits(ctx context.Context, all []subnetv1.Subnet) ([]dueCommit, error) {
	pulses, err := k.storedPulses(ctx)
	if err != nil || len(pulses) == 0 {
		return nil, err
	}
	params, err := k.params.Get(ctx)
	if err != nil {
		return nil, err
	}
	var due []dueCommit
	for _, p := range pulses {
		err := k.hidden.queue.Walk(ctx, ofRound(p.Round), func(key collections.Pair[uint64, uint64], q subnetv1.QueuedCommit) (bool, error) {
			if len(due) == int(params.MaxRevealsPerBlock) {
				return true, nil
			}
			if epochsOf(all, q.Netuid) >= q.Due {
				due = append(due, dueCommit{key: key, queued: q, pulse: p})
			}
			return false, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return due, nil
}

func (k *Keeper) storedPulses(ctx context.Context) ([]subnetv1.Pulse, error) {
	it, err := k.hidden.pulses.Iterate(ctx, nil)
	if err != nil {
		return nil, err
	}
	return it.Values()
}

// epochsOf returns the epochs that a subnet has run.
func epochsOf(all []subnetv1.Subnet, netuid uint32) uint64 {
	at, found := slices.BinarySearchFunc(all, netuid, func(s subnetv1.Subnet, netuid uint32) int { return int(s.Netuid) - int(netuid) })
	if !found {
		return 0
	}
	return all[at].Epochs
}

// openTimelocked opens one commit: its weights come into force, or it has
// failed, with its reason. Either way it waits no longer. Errors are the
// store's.
func (k *Keeper) openTimelocked(ctx context.Context, d dueCommit) error {
	c, err := k.hidden.commits.Get(ctx, collections.Join3(d.queued.Netuid, d.queued.Uid, d.key.K2()))
	if err != nil {
		return err
	}
	s, err := k.subnet(ctx, c.Netuid)
	if err != nil {
		return err
	}
	hyper, err := HyperparamsFromProto(s.Hyperparams)
	if err != nil {
		return err
	}
	holder, err := k.holder(ctx, c.Netuid, c.Uid)
	if err != nil {
		return err
	}
	vacant, err := k.vacantUIDs(ctx, s)
	if err != nil {
		return err
	}
	row, err := contents(ruleOf(ctx, c), holder, hyper, s.Neurons, vacant, func() (*subnetv1.SealedWeights, error) {
		return sealing.Decrypt(c.Round, d.pulse.Signature, c.Ciphertext)
	})
	if err != nil {
		return k.failCommit(ctx, c, err)
	}
	return k.reveal(ctx, opened{commit: c, row: row})
}

// opened is a commit with the row that it hid.
type opened struct {
	commit subnetv1.Commit
	row    consensus.Row
}

// contents opens a commit and decides whether its weights may come into force.
// It reads no state. A panic on the way, which hostile bytes must not cause,
// fails the commit instead of stopping the chain.
func contents(c subnet.Commit, h subnet.Holder, hyper subnet.Hyperparams, neurons uint32, vacant []uint16,
	open func() (*subnetv1.SealedWeights, error),
) (row consensus.Row, err error) {
	defer func() {
		if r := recover(); r != nil {
			row, err = nil, errPanicked
		}
	}()
	if err := c.CheckHolder(h); err != nil {
		return nil, err
	}
	sealed, err := open()
	if err != nil {
		return nil, err
	}
	opening := sealing.Opening(sealed)
	if err := c.CheckBinding(opening); err != nil {
		return nil, err
	}
	return hyper.CheckOpened(int(neurons), vacant, opening.Opinion)
}

// holder returns who has a uid, nobody where it does not exist.
func (k *Keeper) holder(ctx context.Context, netuid, uid uint32) (subnet.Holder, error) {
	n, err := getOr(ctx, k.neurons, rowKey(netuid, int(uid)))
	if err != nil {
		return subnet.Holder{}, err
	}
	row, err := k.row(ctx, k.weights, netuid, int(uid))
	return subnet.Holder{Hotkey: n.Hotkey, Registered: n.Registered, HasRow: row.set, RowHeight: row.updated}, err
}

// reveal brings weights into force as of the height of their commit.
func (k *Keeper) reveal(ctx context.Context, o opened) error {
	c := o.commit
	if err := k.weights.Set(ctx, rowKey(c.Netuid, int(c.Uid)), packRow(o.row, c.Height)); err != nil {
		return err
	}
	emitEvent(ctx, "reveal", attr("id", c.Id), attr("netuid", c.Netuid), attr("uid", c.Uid), attr("hotkey", c.Hotkey),
		attr("committed", c.Height), attr("count", len(o.row)))
	return k.settle(ctx, c, subnetv1.CommitStatus_COMMIT_STATUS_REVEALED, "")
}

// failCommit settles a commit that could not be opened, and charges its sender
// where it is the sender's fault.
func (k *Keeper) failCommit(ctx context.Context, c subnetv1.Commit, cause error) error {
	charged := uint64(0)
	if isSendersFault(cause) {
		var err error
		if charged, err = k.chargeFailed(ctx, c); err != nil {
			return err
		}
	}
	emitEvent(ctx, "reveal_failed", attr("id", c.Id), attr("netuid", c.Netuid), attr("uid", c.Uid), attr("hotkey", c.Hotkey),
		attr("reason", cause), attr("burned", charged))
	return k.settle(ctx, c, subnetv1.CommitStatus_COMMIT_STATUS_FAILED, reasonOf(cause))
}

// chargeFailed burns failed_commit_fee from the coldkey, or as much of it as
// the coldkey has.
func (k *Keeper) chargeFailed(ctx context.Context, c subnetv1.Commit) (uint64, error) {
	params, err := k.params.Get(ctx)
	if err != nil {
		return 0, err
	}
	n, err := k.neurons.Get(ctx, rowKey(c.Netuid, int(c.Uid)))
	if err != nil {
		return 0, err
	}
	coldkey, err := k.accounts.AddressCodec().StringToBytes(n.Coldkey)
	if err != nil {
		return 0, err
	}
	has := k.bank.GetBalance(ctx, coldkey, network.Denom).Amount.Uint64()
	fee := min(params.FailedCommitFee, has)
	// The bank may still refuse, where coins are locked.
	charge, commit := sdk.UnwrapSDKContext(ctx).CacheContext()
	if err := k.burnFrom(charge, coldkey, fee); err != nil {
		return 0, nil
	}
	commit()
	return fee, nil
}

// settle ends the waiting of a commit and forgets the neuron's oldest settled
// ones.
func (k *Keeper) settle(ctx context.Context, c subnetv1.Commit, status subnetv1.CommitStatus, reason string) error {
	if err := k.hidden.queue.Remove(ctx, collections.Join(c.Round, c.Id)); err != nil {
		return err
	}
	c.Status, c.Reason, c.Settled, c.Ciphertext = status, reason, height(ctx), nil
	if err := k.hidden.commits.Set(ctx, commitKeyOf(c), c); err != nil {
		return err
	}
	mine, err := k.commitsOf(ctx, ofNeuron(c.Netuid, c.Uid))
	if err != nil {
		return err
	}
	mine = slices.DeleteFunc(mine, isHidden)
	for _, old := range mine[:max(len(mine)-subnet.KeptCommits, 0)] {
		if err := k.hidden.commits.Remove(ctx, commitKeyOf(old)); err != nil {
			return err
		}
	}
	return nil
}

// expireCommits settles the hidden commits of a subnet that missed their
// period. One whose pulse is here only waits for its turn.
func (k *Keeper) expireCommits(ctx context.Context, s subnetv1.Subnet) error {
	all, err := k.commitsOf(ctx, collections.NewPrefixedTripleRange[uint32, uint32, uint64](s.Netuid))
	if err != nil {
		return err
	}
	for _, c := range all {
		if !isHidden(c) || !ruleOf(ctx, c).Lapsed(s.Epochs) {
			continue
		}
		reason := reasonLateOpening
		if isTimelocked(c) {
			reason = reasonLateRound
			if opening, err := k.hidden.pulses.Has(ctx, c.Round); err != nil || opening {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := k.expire(ctx, c, reason); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) expire(ctx context.Context, c subnetv1.Commit, reason string) error {
	emitEvent(ctx, "commit_expired", attr("id", c.Id), attr("netuid", c.Netuid), attr("uid", c.Uid),
		attr("hotkey", c.Hotkey), attr("reason", reason))
	return k.settle(ctx, c, subnetv1.CommitStatus_COMMIT_STATUS_EXPIRED, reason)
}

// prunePulses forgets the pulses with which nothing is left to open.
func (k *Keeper) prunePulses(ctx context.Context) error {
	pulses, err := k.storedPulses(ctx)
	if err != nil {
		return err
	}
	for _, p := range pulses {
		queued, err := k.hasQueued(ctx, p.Round)
		if err != nil {
			return err
		}
		if queued {
			continue
		}
		if err := k.hidden.pulses.Remove(ctx, p.Round); err != nil {
			return err
		}
	}
	return nil
}
