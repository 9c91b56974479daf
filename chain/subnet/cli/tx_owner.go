package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func setRootWeightsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-root-weights [NETUID=WEIGHT...]",
		Short: "Say what the subnets are worth; only the ratios count, and none takes it back",
		Long: "Set the root weights of a hotkey that is bound to a validator with stake. They decide which share of\n" +
			"the block reward each subnet gets. Without any weights, the opinion given before is taken back.",
		Example: "plexus tx subnet set-root-weights 1=70 4=30 --from hotkey",
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg := &subnetv1.MsgSetRootWeights{Hotkey: clientCtx.GetFromAddress().String()}
			if msg.Netuids, msg.Values, err = parseWeights("NETUID", args); err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func setHyperparamsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set-hyperparams NETUID NAME=VALUE...",
		Short: "Change hyperparameters of your subnet; those not named stay as they are",
		Long: "Change hyperparameters of a subnet. The present ones are read from the chain, so a node must answer at\n" +
			"--node. `plexus query subnet show NETUID` lists the names. Some are governance's to change.",
		Example: "plexus tx subnet set-hyperparams 1 min_allowed_weights=8 commit_reveal=hash --from owner",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			netuid, err := parseNetuid(args[0])
			if err != nil {
				return err
			}
			now, err := subnetv1.NewQueryClient(clientCtx).Subnet(cmd.Context(), &subnetv1.QuerySubnetRequest{Netuid: netuid})
			if err != nil {
				return fmt.Errorf("read the hyperparameters of subnet %d: %w", netuid, err)
			}
			changed, err := editHyperparams(clientCtx.Codec, now.Subnet.Subnet.Hyperparams, args[1:])
			if err != nil {
				return err
			}
			msg := &subnetv1.MsgSetHyperparams{Sender: clientCtx.GetFromAddress().String(), Netuid: netuid, Hyperparams: changed}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

// editHyperparams applies pairs such as tempo=360. Names are those of the
// protobuf message, and so are the ranges of the values.
func editHyperparams(cdc codec.JSONCodec, now subnetv1.Hyperparams, pairs []string) (subnetv1.Hyperparams, error) {
	var changed subnetv1.Hyperparams
	raw, err := cdc.MarshalJSON(&now)
	if err != nil {
		return changed, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return changed, err
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" {
			return changed, fmt.Errorf("%q: want NAME=VALUE", pair)
		}
		before, known := fields[name]
		if !known {
			return changed, fmt.Errorf("no hyperparameter %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if fields[name], err = asJSON(before, value); err != nil {
			return changed, fmt.Errorf("%s=%s: %w", name, value, err)
		}
		raw, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err != nil {
			return changed, fmt.Errorf("%s=%s: not a value: %w", name, value, err)
		}
		if err := cdc.UnmarshalJSON(raw, &subnetv1.Hyperparams{}); err != nil {
			return changed, fmt.Errorf("%s=%s: it is %s now, want a value of that kind: %w", name, value, before, err)
		}
	}
	if raw, err = json.Marshal(fields); err != nil {
		return changed, err
	}
	return changed, cdc.UnmarshalJSON(raw, &changed)
}

// asJSON writes a value the way the one it replaces is written: 64-bit numbers
// and words as strings, the rest bare.
func asJSON(before json.RawMessage, value string) (json.RawMessage, error) {
	if strings.HasPrefix(string(before), `"`) {
		return json.Marshal(value)
	}
	if !json.Valid([]byte(value)) {
		return nil, fmt.Errorf("it is %s now, want a value of that kind", before)
	}
	return json.RawMessage(value), nil
}

func setIdentityCommand() *cobra.Command {
	var identity subnetv1.Identity
	var netuid uint32
	cmd := &cobra.Command{
		Use:   "set-identity",
		Short: "Say who you are, or what your subnet is; without any flag, take it back",
		Long: "Say who an account is, or with --netuid what a subnet is that it owns. Everybody can read it and nobody\n" +
			"checks it. Without a name and all else, what was said before is removed.",
		Example: "plexus tx subnet set-identity --name 'Acme Models' --url https://example.org --from coldkey",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg := &subnetv1.MsgSetIdentity{Account: clientCtx.GetFromAddress().String(), Netuid: netuid, Identity: identity}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().Uint32Var(&netuid, "netuid", 0, "a subnet of yours; 0 for the account itself")
	cmd.Flags().StringVar(&identity.Name, "name", "", "name, up to 64 bytes")
	cmd.Flags().StringVar(&identity.Url, "url", "", "web page, https://...")
	cmd.Flags().StringVar(&identity.Image, "image", "", "picture, https://...")
	cmd.Flags().StringVar(&identity.Description, "description", "", "what for, up to 1024 bytes")
	cmd.Flags().StringVar(&identity.Contact, "contact", "", "how to reach you")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}
