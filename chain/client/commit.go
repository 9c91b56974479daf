package chainclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/plexusnet/plexus/chain/sealing"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

const (
	// paceBlocks is over how many blocks the time between them is measured.
	paceBlocks = 100
	// maxEpochRetries bounds how often a commit is built again because an
	// epoch went by while it was on its way.
	maxEpochRetries = 3
	// Of the chain's module subnet: the commit names an epoch that is over.
	wrongEpochCodespace = "subnet"
	wrongEpochCode      = 41
)

// Weights are a validator's opinion of a subnet's neurons: one u16 per uid, of
// which only the ratios count.
type Weights struct {
	UIDs   []uint32
	Values []uint32
}

// Committed is a commit that stands in a block.
type Committed struct {
	ID    uint64
	Epoch uint64 // that it belongs to: epochs that the subnet had run
	Round uint64 // timelock: the beacon's round that opens it
	Tx    TxResult
}

// CommitWeights hides a row in a subnet whose commit_reveal is "timelock": it
// is encrypted to the beacon round that comes out when its period is over, so
// the chain opens it without the author's help. One call is all that an epoch
// asks of a validator. When an epoch goes by meanwhile it builds the commit
// again.
//
// Errors: sealing.ErrNoBeacon where the network has none, and those of Submit.
func (c *Client) CommitWeights(ctx context.Context, signer *Signer, netuid uint32, row Weights) (Committed, error) {
	for try := 0; ; try++ {
		done, err := c.commitOnce(ctx, signer, netuid, row)
		if try < maxEpochRetries && isWrongEpoch(err) {
			continue
		}
		return done, err
	}
}

func isWrongEpoch(err error) bool {
	var refused *TxError
	return errors.As(err, &refused) && refused.Codespace == wrongEpochCodespace && refused.Code == wrongEpochCode
}

func (c *Client) commitOnce(ctx context.Context, signer *Signer, netuid uint32, row Weights) (Committed, error) {
	params, err := c.Params(ctx)
	if err != nil {
		return Committed{}, err
	}
	tip, err := c.Tip(ctx)
	if err != nil {
		return Committed{}, err
	}
	info, sealed, err := c.seal(ctx, signer, netuid, row)
	if err != nil {
		return Committed{}, err
	}
	round, err := sealing.Round(params.Beacon, *info, tip)
	if err != nil {
		return Committed{}, fmt.Errorf("choose the round of a commit in subnet %d: %w", netuid, err)
	}
	ciphertext, err := sealing.Encrypt(params.Beacon, round, sealed)
	if err != nil {
		return Committed{}, fmt.Errorf("encrypt the weights of subnet %d: %w", netuid, err)
	}
	tx, err := c.Submit(ctx, signer, &subnetv1.MsgCommitWeights{
		Hotkey: signer.address, Netuid: netuid, Round: round, Ciphertext: ciphertext, Epoch: sealed.Epoch,
	})
	if err != nil {
		return Committed{}, err
	}
	var answer subnetv1.MsgCommitWeightsResponse
	if err := tx.Response(0, &answer); err != nil {
		return Committed{}, err
	}
	return Committed{ID: answer.Id, Epoch: sealed.Epoch, Round: round, Tx: tx}, nil
}

// SealWeights prepares a commit in a subnet whose commit_reveal is "hash", for
// the subnet's present epoch. Keep the result where a crash cannot reach it
// before CommitHash sends its hash: without it nobody can open the commit.
func (c *Client) SealWeights(ctx context.Context, signer *Signer, netuid uint32, row Weights) (*subnetv1.SealedWeights, error) {
	_, sealed, err := c.seal(ctx, signer, netuid, row)
	return sealed, err
}

// CommitHash commits to the hash of next, which SealWeights made, and opens an
// earlier commit in the same message. Either may be nil, not both. An opening
// is due in the epoch opening.Epoch + reveal_period of the subnet, and in no
// other. Errors: those of Submit.
func (c *Client) CommitHash(ctx context.Context, signer *Signer, netuid uint32, next, opening *subnetv1.SealedWeights) (Committed, error) {
	msg := &subnetv1.MsgCommitHash{Hotkey: signer.address, Netuid: netuid, Opening: opening}
	if next != nil {
		hash, err := sealing.Hash(next)
		if err != nil {
			return Committed{}, err
		}
		msg.Hash, msg.Epoch = hash, next.Epoch
	}
	tx, err := c.Submit(ctx, signer, msg)
	if err != nil {
		return Committed{}, err
	}
	var answer subnetv1.MsgCommitHashResponse
	if err := tx.Response(0, &answer); err != nil {
		return Committed{}, err
	}
	return Committed{ID: answer.Id, Epoch: msg.Epoch, Tx: tx}, nil
}

func (c *Client) seal(ctx context.Context, signer *Signer, netuid uint32, row Weights) (*subnetv1.SubnetInfo, *subnetv1.SealedWeights, error) {
	chainID, err := c.ChainID(ctx)
	if err != nil {
		return nil, nil, err
	}
	info, err := c.Subnet(ctx, netuid)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := sealing.New(chainID, info.Subnet, signer.address, row.UIDs, row.Values)
	return info, sealed, err
}

// Tip is where the chain stands, with the time between its last blocks.
func (c *Client) Tip(ctx context.Context) (sealing.Tip, error) {
	latest, err := call(ctx, c, "latest block", c.comet.GetLatestBlock, &cmtservice.GetLatestBlockRequest{})
	if err != nil {
		return sealing.Tip{}, err
	}
	if latest.GetSdkBlock() == nil {
		return sealing.Tip{}, fmt.Errorf("node %s: its latest block has no header", c.cfg.Address)
	}
	last := latest.SdkBlock.Header
	tip := sealing.Tip{Height: uint64(max(last.Height, 0)), Unix: last.Time.Unix()}
	back := min(paceBlocks, last.Height-1)
	if back < 1 {
		return tip, fmt.Errorf("node %s is at its first block, which says nothing about the time between blocks: %w", c.cfg.Address, ErrUnavailable)
	}
	before, err := call(ctx, c, "earlier block", c.comet.GetBlockByHeight, &cmtservice.GetBlockByHeightRequest{Height: last.Height - back})
	if err != nil {
		return tip, err
	}
	if before.GetSdkBlock() == nil {
		return tip, fmt.Errorf("node %s: block %d has no header", c.cfg.Address, last.Height-back)
	}
	passed := last.Time.Sub(before.SdkBlock.Header.Time)
	if passed <= 0 {
		return tip, fmt.Errorf("node %s: no time passed between its last %d blocks", c.cfg.Address, back)
	}
	tip.BlockNanos = uint64(passed.Nanoseconds() / back)
	return tip, nil
}

// Commits lists the hidden commits of a subnet and those that were settled not
// long ago, with the reasons of those that came to nothing; of one hotkey, if
// it is not empty.
func (c *Client) Commits(ctx context.Context, netuid uint32, hotkey string) ([]subnetv1.Commit, error) {
	var all []subnetv1.Commit
	var key []byte
	for {
		resp, err := call(ctx, c, fmt.Sprintf("commits of subnet %d", netuid), c.subnet.Commits, &subnetv1.QueryCommitsRequest{
			Netuid: netuid, Hotkey: hotkey, Pagination: &query.PageRequest{Key: key},
		})
		if err != nil {
			return nil, err
		}
		all = append(all, resp.Commits...)
		key = resp.Pagination.GetNextKey()
		if len(key) == 0 {
			return all, nil
		}
	}
}

// Pulse is the network's beacon, the last of its rounds that the chain took,
// and the rounds that commits wait for.
func (c *Client) Pulse(ctx context.Context) (*subnetv1.QueryPulseResponse, error) {
	return call(ctx, c, "pulse", c.subnet.Pulse, &subnetv1.QueryPulseRequest{})
}

// SubmitPulse brings a round's signature to the chain. It costs nothing while
// commits wait for the round and nobody was faster. Errors: those of Submit.
func (c *Client) SubmitPulse(ctx context.Context, signer *Signer, round uint64, signature []byte) (TxResult, error) {
	return c.Submit(ctx, signer, &subnetv1.MsgSubmitPulse{Sender: signer.address, Round: round, Signature: signature})
}
