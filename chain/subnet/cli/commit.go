package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/client/tx"

	"github.com/plexusnet/plexus/chain/sealing"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// paceBlocks is over how many blocks the time between them is measured.
const paceBlocks = 100

func commitWeightsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "commit-weights NETUID UID=WEIGHT...",
		Short: "Hide the weights of a validator's hotkey until the beacon opens them",
		Long: "Hide the weights of a validator's hotkey: they are encrypted to the beacon's round that comes out when the subnet's " +
			"reveal period is over. The chain opens them; nothing else is to be done. See them with: plexus query subnet commits NETUID",
		Example: "plexus tx subnet commit-weights 1 3=100 4=50 --from hotkey",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg, err := commitWeightsMsg(cmd, clientCtx, args)
			if err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().Uint64("round", 0, "beacon round that opens them; 0: the one at the end of the reveal period")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func commitWeightsMsg(cmd *cobra.Command, clientCtx client.Context, args []string) (*subnetv1.MsgCommitWeights, error) {
	info, sealed, err := sealArgs(cmd.Context(), clientCtx, args)
	if err != nil {
		return nil, err
	}
	params, err := subnetv1.NewQueryClient(clientCtx).Params(cmd.Context(), &subnetv1.QueryParamsRequest{})
	if err != nil {
		return nil, err
	}
	round, err := cmd.Flags().GetUint64("round")
	if err != nil {
		return nil, err
	}
	if round == 0 {
		tip, err := tipOf(cmd.Context(), clientCtx)
		if err != nil {
			return nil, err
		}
		if round, err = sealing.Round(params.Params.Beacon, info, tip); err != nil {
			return nil, fmt.Errorf("choose the round (or give --round): %w", err)
		}
	}
	ciphertext, err := sealing.Encrypt(params.Params.Beacon, round, sealed)
	if err != nil {
		return nil, err
	}
	return &subnetv1.MsgCommitWeights{Hotkey: sealed.Hotkey, Netuid: sealed.Netuid, Round: round, Ciphertext: ciphertext, Epoch: sealed.Epoch}, nil
}

// sealArgs reads NETUID UID=WEIGHT... for the sender in the subnet's present
// epoch.
func sealArgs(ctx context.Context, clientCtx client.Context, args []string) (subnetv1.SubnetInfo, *subnetv1.SealedWeights, error) {
	netuid, err := parseNetuid(args[0])
	if err != nil {
		return subnetv1.SubnetInfo{}, nil, err
	}
	uids, values, err := parseWeights("UID", args[1:])
	if err != nil {
		return subnetv1.SubnetInfo{}, nil, err
	}
	if clientCtx.ChainID == "" {
		return subnetv1.SubnetInfo{}, nil, errors.New("the weights name their chain: give --chain-id")
	}
	resp, err := subnetv1.NewQueryClient(clientCtx).Subnet(ctx, &subnetv1.QuerySubnetRequest{Netuid: netuid})
	if err != nil {
		return subnetv1.SubnetInfo{}, nil, err
	}
	sealed, err := sealing.New(clientCtx.ChainID, resp.Subnet.Subnet, clientCtx.GetFromAddress().String(), uids, values)
	return resp.Subnet, sealed, err
}

// tipOf asks where the chain stands and how fast it is.
func tipOf(ctx context.Context, clientCtx client.Context) (sealing.Tip, error) {
	node := cmtservice.NewServiceClient(clientCtx)
	latest, err := node.GetLatestBlock(ctx, &cmtservice.GetLatestBlockRequest{})
	if err != nil {
		return sealing.Tip{}, err
	}
	last := latest.SdkBlock.Header
	back := min(paceBlocks, last.Height-1)
	if back < 1 {
		return sealing.Tip{}, errors.New("the chain is at its first block, which says nothing about the time between blocks: try again, or give --round")
	}
	before, err := node.GetBlockByHeight(ctx, &cmtservice.GetBlockByHeightRequest{Height: last.Height - back})
	if err != nil {
		return sealing.Tip{}, err
	}
	passed := max(last.Time.Sub(before.SdkBlock.Header.Time).Nanoseconds(), back)
	return sealing.Tip{Height: uint64(last.Height), Unix: last.Time.Unix(), BlockNanos: uint64(passed / back)}, nil
}

func commitHashCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "commit-hash NETUID [UID=WEIGHT...]",
		Short: "Hide the weights of a validator's hotkey behind a hash, and open the last ones",
		Long: "Commit to the hash of weights and open the last commit, in one transaction. What is committed is kept in the folder " +
			"of --openings; without it nobody can open it. Run it once in every epoch; without weights it only opens.",
		Example: "plexus tx subnet commit-hash 1 3=100 4=50 --openings ~/.plexus/openings --from hotkey",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			folder, err := cmd.Flags().GetString("openings")
			if err != nil {
				return err
			}
			if folder == "" {
				folder = filepath.Join(clientCtx.HomeDir, "openings")
			}
			msg, err := commitHashMsg(cmd.Context(), clientCtx, openings(folder), args)
			if err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().String("openings", "", "folder of the weights that are committed and not open yet (default: openings in --home)")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func commitHashMsg(ctx context.Context, clientCtx client.Context, kept openings, args []string) (*subnetv1.MsgCommitHash, error) {
	info, sealed, err := sealArgs(ctx, clientCtx, args)
	if err != nil {
		return nil, err
	}
	msg := &subnetv1.MsgCommitHash{Hotkey: sealed.Hotkey, Netuid: sealed.Netuid}
	if epochs, period := info.Subnet.Epochs, info.Subnet.Hyperparams.RevealPeriod; epochs >= period {
		if msg.Opening, err = kept.load(sealed.Netuid, sealed.Hotkey, epochs-period); err != nil {
			return nil, err
		}
	}
	if len(args) == 1 {
		if msg.Opening == nil {
			return nil, fmt.Errorf("folder %s has nothing to open in subnet %d now: name weights to commit", kept, sealed.Netuid)
		}
		return msg, nil
	}
	if sealed, err = kept.keep(sealed); err != nil {
		return nil, err
	}
	msg.Epoch = sealed.Epoch
	msg.Hash, err = sealing.Hash(sealed)
	return msg, err
}

// openings is a folder of committed weights, a file for each.
type openings string

func (o openings) path(netuid uint32, hotkey string, epoch uint64) string {
	return filepath.Join(string(o), fmt.Sprintf("%s-%d-%d.json", hotkey, netuid, epoch))
}

// load returns nil where there is no such commit.
func (o openings) load(netuid uint32, hotkey string, epoch uint64) (*subnetv1.SealedWeights, error) {
	path := o.path(netuid, hotkey, epoch)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	var s subnetv1.SealedWeights
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	return &s, nil
}

// keep writes weights before they are committed, and returns them. Those of an
// earlier try are taken instead, for its transaction may be in a block already;
// other weights are then refused.
func (o openings) keep(s *subnetv1.SealedWeights) (*subnetv1.SealedWeights, error) {
	before, err := o.load(s.Netuid, s.Hotkey, s.Epoch)
	if err != nil {
		return nil, err
	}
	path := o.path(s.Netuid, s.Hotkey, s.Epoch)
	if before != nil {
		if !slices.Equal(before.Uids, s.Uids) || !slices.Equal(before.Values, s.Values) || before.Version != s.Version {
			return nil, fmt.Errorf("%s holds other weights of this epoch: send those again, or delete the file if they were never committed", path)
		}
		return before, nil
	}
	if err := os.MkdirAll(string(o), 0o700); err != nil {
		return nil, fmt.Errorf("openings: %w", err)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	return s, nil
}
