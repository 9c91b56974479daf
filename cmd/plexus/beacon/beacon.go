// Package beaconcmd is `plexus beacon`.
package beaconcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/plexusnet/plexus/beacon"
	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/onchain"
	"github.com/plexusnet/plexus/cmd/plexus/chainflags"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// Command returns `plexus beacon`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "beacon",
		Short: "Bring the beacon's rounds that hidden weights wait for",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keygenCommand(), runCommand(), relayCommand())
	return cmd
}

func keygenCommand() *cobra.Command {
	var out string
	var period uint64
	cmd := &cobra.Command{
		Use:     "keygen",
		Short:   "Make the key of a beacon for a test network, and print what its genesis needs",
		Long:    "Make the key of a beacon for a test network. Whoever has it can read hidden weights before their time: on a network with money at stake use drand's.",
		Example: "  plexus beacon keygen --out beacon.key",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SilenceUsage = true
			if period < 1 {
				return fmt.Errorf("--period: want at least 1 second")
			}
			key, err := beacon.CreateKey(out)
			if err != nil {
				return err
			}
			// As app_state.subnet.params.beacon of the genesis.
			shown := struct {
				PublicKey []byte `json:"public_key"`
				Genesis   int64  `json:"genesis_time,string"`
				Period    uint64 `json:"period_seconds,string"`
			}{key.Public().Bytes(), time.Now().Unix(), period}
			text, err := json.MarshalIndent(shown, "", "  ")
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Wrote %s. Put this into the genesis as app_state.subnet.params.beacon:\n", out)
			fmt.Fprintln(cmd.OutOrStdout(), string(text))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "beacon.key", "file to write; it must not exist")
	cmd.Flags().Uint64Var(&period, "period", 3, "seconds from one round to the next")
	return cmd
}

func runCommand() *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:     "run",
		Short:   "Sign the awaited rounds with the key of a test network's beacon",
		Example: "  plexus beacon run --key beacon.key --from beacon --keyring-backend test",
		Args:    cobra.NoArgs,
	}
	submit := addSubmitFlags(cmd)
	cmd.Flags().StringVar(&keyFile, "key", "beacon.key", "key file of plexus beacon keygen")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		key, err := beacon.LoadKey(keyFile)
		if err != nil {
			return err
		}
		return submit.run(cmd, beacon.Signer{Key: key})
	}
	return cmd
}

func relayCommand() *cobra.Command {
	var relay beacon.Relay
	cmd := &cobra.Command{
		Use:     "relay",
		Short:   "Bring the awaited rounds from an HTTP endpoint of drand; anybody may",
		Example: "  plexus beacon relay --url https://drand.example/CHAIN-HASH --from relay",
		Args:    cobra.NoArgs,
	}
	submit := addSubmitFlags(cmd)
	cmd.Flags().StringVar(&relay.URL, "url", "", "endpoint, with the chain hash of the network where it serves several")
	cmd.Flags().DurationVar(&relay.Timeout, "timeout", beacon.DefaultTimeout, "what the endpoint gets to answer")
	cobra.CheckErr(cmd.MarkFlagRequired("url"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SilenceUsage = true
		return submit.run(cmd, relay)
	}
	return cmd
}

// submitFlags are how rounds reach the chain.
type submitFlags struct {
	from     string
	interval time.Duration
}

func addSubmitFlags(cmd *cobra.Command) *submitFlags {
	var s submitFlags
	chainflags.Add(cmd)
	chainflags.AddKeys(cmd)
	cmd.Flags().StringVar(&s.from, "from", "", "key that signs the transactions, by name; its account must exist, and pays nothing for useful pulses while the node has room for them")
	cmd.Flags().DurationVar(&s.interval, "interval", beacon.DefaultInterval, "how often to ask which rounds are awaited")
	cobra.CheckErr(cmd.MarkFlagRequired("from"))
	return &s
}

// run brings rounds until a signal comes.
func (s *submitFlags) run(cmd *cobra.Command, source beacon.Source) error {
	if s.interval <= 0 {
		return fmt.Errorf("--interval: want more than 0")
	}
	log, err := chainflags.Logger(cmd)
	if err != nil {
		return err
	}
	ctx, stop := chainflags.UntilSignal(cmd)
	defer stop()
	signer, err := chainflags.Signer(cmd, s.from)
	if err != nil {
		return err
	}
	nodes, err := chainflags.DialNodes(cmd)
	if err != nil {
		return err
	}
	defer nodes.Close()
	runner := beacon.Runner{Chain: chain{nodes, signer}, Source: source, Log: log, Interval: s.interval}
	return runner.Run(ctx)
}

// chain is the chain as the runner sees it.
type chain struct {
	nodes  onchain.Nodes
	signer *chainclient.Signer
}

func (c chain) Pulse(ctx context.Context) (*subnetv1.QueryPulseResponse, error) {
	return c.nodes.Free.Pulse(ctx)
}

// SubmitPulse offers the gas price only where the node does not take the pulse
// for nothing: others may be keeping its free places busy.
func (c chain) SubmitPulse(ctx context.Context, round uint64, signature []byte) error {
	_, err := c.nodes.Free.SubmitPulse(ctx, c.signer, round, signature)
	var refused *chainclient.TxError
	if !errors.As(err, &refused) || refused.Codespace != sdkerrors.RootCodespace || refused.Code != sdkerrors.ErrInsufficientFee.ABCICode() {
		return err
	}
	if _, paid := c.nodes.Paying.SubmitPulse(ctx, c.signer, round, signature); paid != nil {
		return fmt.Errorf("%w; and with a fee: %w", err, paid)
	}
	return nil
}
