package cli

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// TxCommand returns the command that holds the transactions of the module.
func TxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "channel",
		Short: "Payment channels from callers to miners",
		RunE:  client.ValidateCmd,
	}
	cmd.AddCommand(openCommand(), redeemCommand(), voucherCommand())
	return cmd
}

func openCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "open NETUID HOTKEY DEPOSIT",
		Short: "Put a deposit of nplx into a channel to a miner (callers and gateways do this themselves)",
		Example: "plexus tx channel open 1 plx1… 1000000000 --key-file voucher.pem --blocks 50400 --from payer\n" +
			"openssl genpkey -algorithm ed25519 -out voucher.pem   # makes such a key",
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg := &channelv1.MsgOpen{Payer: clientCtx.GetFromAddress().String(), Hotkey: args[1]}
			if msg.Netuid, err = parseNetuid(args[0]); err != nil {
				return err
			}
			if msg.Deposit, err = parseNumber("deposit", args[2]); err != nil {
				return err
			}
			if msg.VoucherKey, err = voucherKeyFlag(cmd); err != nil {
				return err
			}
			if msg.Expires, err = expiryFlag(cmd, clientCtx); err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	cmd.Flags().String("voucher-key", "", "Ed25519 public key that vouchers are signed with, hexadecimal")
	cmd.Flags().String("key-file", "", "file of that key instead, PEM (a node key is one too)")
	cmd.Flags().Uint64("blocks", 50_400, "blocks from now until the channel ends by itself (at most max_duration)")
	cmd.Flags().Uint64("expires", 0, "height at which it ends by itself, instead of --blocks")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

// voucherKeyFlag returns the public key that one of two flags names.
func voucherKeyFlag(cmd *cobra.Command) ([]byte, error) {
	text, file := cmd.Flag("voucher-key").Value.String(), cmd.Flag("key-file").Value.String()
	switch {
	case (text == "") == (file == ""):
		return nil, errors.New("give one of --voucher-key and --key-file")
	case file != "":
		key, err := readKey(file)
		if err != nil {
			return nil, err
		}
		return key.Public().(ed25519.PublicKey), nil
	}
	key, err := hex.DecodeString(text)
	if err == nil {
		err = payment.CheckKey(key)
	}
	if err != nil {
		return nil, fmt.Errorf("--voucher-key: %w", err)
	}
	return key, nil
}

// readKey reads an Ed25519 key from a PEM file in PKCS#8, as OpenSSL writes it
// and as nodes keep theirs.
func readKey(path string) (ed25519.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("--key-file %s: no PEM in it", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("--key-file %s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("--key-file %s: it holds a %T, want an Ed25519 key", path, parsed)
	}
	return key, nil
}

// expiryFlag returns the height at which a channel is to end: as given, or so
// many blocks from the chain's present height.
func expiryFlag(cmd *cobra.Command, clientCtx client.Context) (uint64, error) {
	expires, err := cmd.Flags().GetUint64("expires")
	if err != nil || expires > 0 {
		return expires, err
	}
	blocks, err := cmd.Flags().GetUint64("blocks")
	if err != nil {
		return 0, err
	}
	if clientCtx.Offline {
		return 0, errors.New("--blocks needs the chain's height: with --offline give --expires")
	}
	chain := channelv1.NewQueryClient(clientCtx)
	if !cmd.Flags().Changed("blocks") { // a test network may allow less than the default
		resp, err := chain.Params(cmd.Context(), &channelv1.QueryParamsRequest{})
		if err != nil {
			return 0, err
		}
		blocks = min(blocks, resp.Params.MaxDuration)
	}
	resp, err := chain.Totals(cmd.Context(), &channelv1.QueryTotalsRequest{})
	if err != nil {
		return 0, err
	}
	return resp.Height + blocks, nil
}

func redeemCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "redeem VOUCHER...",
		Short:   "Pay vouchers to their payees; anyone may (miners do this themselves)",
		Example: "plexus tx channel redeem AAAAAAAAAAcAAAAAAAAAAAAAAAEAAAAAAA9CQL… --from anyone",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			msg := &channelv1.MsgRedeem{Sender: clientCtx.GetFromAddress().String()}
			if msg.Vouchers, err = parseVouchers(args); err != nil {
				return err
			}
			return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

// parseVouchers reads vouchers in base64.
func parseVouchers(args []string) ([]channelv1.Voucher, error) {
	vouchers := make([]channelv1.Voucher, len(args))
	for i, arg := range args {
		var v payment.Voucher
		if err := v.UnmarshalText([]byte(arg)); err != nil {
			return nil, fmt.Errorf("voucher %d: %w", i+1, err)
		}
		vouchers[i] = channelv1.Voucher(v)
	}
	return vouchers, nil
}

func voucherCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sign-voucher CHANNEL LANE NONCE AMOUNT",
		Short:   "Sign a voucher and print it; nothing is sent, but who has it can redeem it",
		Example: "plexus tx channel sign-voucher 7 0 1 5000000 --key-file voucher.pem --chain-id plexus-1",
		Args:    cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx := client.GetClientContextFromCmd(cmd)
			chainID := cmd.Flag(flags.FlagChainID).Value.String()
			if chainID == "" {
				chainID = clientCtx.ChainID
			}
			if chainID == "" {
				return errors.New("give --chain-id: a voucher is for one chain")
			}
			v, err := parseVoucher(args)
			if err != nil {
				return err
			}
			key, err := readKey(cmd.Flag("key-file").Value.String())
			if err != nil {
				return err
			}
			text, err := payment.Sign(chainID, key, v).MarshalText()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			return err
		},
	}
	cmd.Flags().String("key-file", "", "file of the channel's voucher key, PEM")
	cmd.Flags().String(flags.FlagChainID, "", "chain of the channel")
	_ = cmd.MarkFlagRequired("key-file") // fails only for a flag that there is not
	return cmd
}

// parseVoucher reads the numbers of a voucher.
func parseVoucher(args []string) (v payment.Voucher, err error) {
	if v.Channel, err = parseNumber("channel", args[0]); err != nil {
		return v, err
	}
	lane, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return v, fmt.Errorf("lane %q: want a number from 0 to 4294967295", args[1])
	}
	v.Lane = uint32(lane)
	if v.Nonce, err = parseNumber("nonce", args[2]); err != nil {
		return v, err
	}
	v.Amount, err = parseNumber("amount", args[3])
	return v, err
}

func parseNetuid(arg string) (uint32, error) {
	netuid, err := strconv.ParseUint(arg, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("netuid %q: want a number from 1 to 65535", arg)
	}
	return uint32(netuid), nil
}

func parseNumber(what, arg string) (uint64, error) {
	n, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s %q: want a whole number", what, arg)
	}
	return n, nil
}
