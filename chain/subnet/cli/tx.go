package cli

import (
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// TxCommand returns the command that holds the transactions of the module.
func TxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "subnet",
		Short: "Subnets, neurons and weights",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(setWeightsCommand(), setRootWeightsCommand(), setHyperparamsCommand(), setIdentityCommand(), serveCommand(),
		commitWeightsCommand(), commitHashCommand(), createCommand(), transferCommand(), registerCommand(), bindHotkeyCommand(),
		swapHotkeyCommand(), proveHotkeyCommand())
	return cmd
}

func setWeightsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "set-weights NETUID UID=WEIGHT...",
		Short:   "Set the weights of a validator's hotkey; only their ratios count",
		Example: "plexus tx subnet set-weights 1 3=100 4=50 --from hotkey",
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
			msg := &subnetv1.MsgSetWeights{Hotkey: clientCtx.GetFromAddress().String(), Netuid: netuid}
			if msg.Version, err = cmd.Flags().GetUint64("weights-version"); err != nil {
				return err
			}
			if msg.Uids, msg.Values, err = parseWeights("UID", args[1:]); err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().Uint64("weights-version", 0, "version that the subnet asks for")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func parseNetuid(arg string) (uint32, error) {
	netuid, err := strconv.ParseUint(arg, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("netuid %q: want a number from 1 to 65535", arg)
	}
	return uint32(netuid), nil
}

// parseWeights reads pairs such as 3=100; of names what stands to the left.
func parseWeights(of string, args []string) (targets, values []uint32, err error) {
	for _, arg := range args {
		left, right, ok := strings.Cut(arg, "=")
		target, errTarget := strconv.ParseUint(left, 10, 16)
		value, errValue := strconv.ParseUint(right, 10, 16)
		if !ok || errTarget != nil || errValue != nil {
			return nil, nil, fmt.Errorf("weight %q: want %s=WEIGHT, both from 0 to 65535", arg, of)
		}
		targets, values = append(targets, uint32(target)), append(values, uint32(value))
	}
	return targets, values, nil
}

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "serve NETUID HOST:PORT",
		Short:   "Announce the endpoint of a hotkey's neuron (a running miner does this itself)",
		Example: "plexus tx subnet serve 1 203.0.113.7:8500 --model digits --model-sha256 HEX --from hotkey",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			netuid, err := parseNetuid(args[0])
			if err != nil {
				return err
			}
			endpoint, err := endpointFromFlags(cmd, args[1])
			if err != nil {
				return err
			}
			msg := &subnetv1.MsgServe{Hotkey: clientCtx.GetFromAddress().String(), Netuid: netuid, Endpoint: endpoint}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().String("protocol", "oip-v2-grpc", "protocol that the port speaks")
	cmd.Flags().String("model", "", "name of the model")
	cmd.Flags().String("model-sha256", "", "SHA-256 of the model file, hexadecimal")
	cmd.Flags().String("tls-key-hash", "", "SHA-256 of the server's public key, hexadecimal; empty for plaintext")
	cmd.Flags().Uint64("price", 0, "nplx per request")
	cmd.Flags().Uint64("price-input-kib", 0, "nplx per KiB of input")
	cmd.Flags().Uint64("price-output-kib", 0, "nplx per KiB of output")
	cmd.Flags().Uint64("price-compute-second", 0, "nplx per second of compute")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func endpointFromFlags(cmd *cobra.Command, hostPort string) (subnetv1.Endpoint, error) {
	var e subnetv1.Endpoint
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return e, fmt.Errorf("endpoint %q: want HOST:PORT: %w", hostPort, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return e, fmt.Errorf("endpoint %q: port must be 1 to 65535", hostPort)
	}
	e.Host, e.Port = host, uint32(number)
	if e.Protocol, err = cmd.Flags().GetString("protocol"); err != nil {
		return e, err
	}
	if e.Model, err = cmd.Flags().GetString("model"); err != nil {
		return e, err
	}
	for flag, price := range map[string]*uint64{
		"price": &e.Price, "price-input-kib": &e.PriceInputKib, "price-output-kib": &e.PriceOutputKib, "price-compute-second": &e.PriceComputeSecond,
	} {
		if *price, err = cmd.Flags().GetUint64(flag); err != nil {
			return e, err
		}
	}
	if e.ModelSha256, err = hexFlag(cmd, "model-sha256"); err != nil {
		return e, err
	}
	e.TlsKeyHash, err = hexFlag(cmd, "tls-key-hash")
	return e, err
}

func hexFlag(cmd *cobra.Command, name string) ([]byte, error) {
	text, err := cmd.Flags().GetString(name)
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", name, err)
	}
	return raw, nil
}
