package cli

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// flagProof carries the proof of a hotkey whose key is elsewhere.
const flagProof = "hotkey-proof"

// claimCommand is the frame of a transaction that names a hotkey, which may be
// new: build makes the message, given what resolves hotkeys.
func claimCommand(cmd *cobra.Command, build func(h hotkeys, sender string, args []string) (sdk.Msg, error)) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		clientCtx, err := client.GetClientTxContext(cmd)
		if err != nil {
			return err
		}
		proof, err := cmd.Flags().GetString(flagProof)
		if err != nil {
			return err
		}
		msg, err := build(hotkeys{clientCtx, proof}, clientCtx.GetFromAddress().String(), args)
		if err != nil {
			return err
		}
		return tx.GenerateOrBroadcastTxCLI(clientCtx, cmd.Flags(), msg)
	}
	cmd.Flags().String(flagProof, "", "what `plexus tx subnet prove-hotkey` printed, where the hotkey's key is not in this keyring")
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

// hotkeys finds hotkeys and signs for those in the keyring.
type hotkeys struct {
	client.Context
	proof string // given by hand; empty: none
}

// claim returns the address of a hotkey, named by key or by address, and the
// proof that a coldkey may claim it: the one given, else one signed here. Without
// either there is none, and none is wanted for a hotkey that is in use.
func (h hotkeys) claim(hotkey, coldkey string) (address string, proof *subnetv1.HotkeyProof, err error) {
	address, name, err := h.address(hotkey)
	switch {
	case err != nil:
	case h.proof != "":
		proof, err = decodeProof(h.proof)
	case name != "" && address != coldkey:
		proof, err = h.prove(name, coldkey)
	}
	return address, proof, err
}

// address returns the address of a key, named or given as it is, and the name
// under which the keyring can sign with it; empty: it cannot.
func (h hotkeys) address(key string) (address, name string, err error) {
	record, err := h.find(key)
	if err != nil {
		return key, "", nil // the chain says what is wrong with it
	}
	addr, err := record.GetAddress()
	if err != nil {
		return "", "", fmt.Errorf("key %q: %w", key, err)
	}
	if record.GetLocal() != nil {
		name = record.Name
	}
	return addr.String(), name, nil
}

// find looks a key up by name or by address.
func (h hotkeys) find(hotkey string) (*keyring.Record, error) {
	if h.Keyring == nil {
		return nil, errors.New("no keyring")
	}
	if addr, err := sdk.AccAddressFromBech32(hotkey); err == nil {
		return h.Keyring.KeyByAddress(addr)
	}
	return h.Keyring.Key(hotkey)
}

// prove signs with a hotkey that a coldkey may claim it.
func (h hotkeys) prove(name, coldkey string) (*subnetv1.HotkeyProof, error) {
	if h.ChainID == "" {
		return nil, errors.New("the proof of a hotkey is for one chain: give --chain-id")
	}
	signature, key, err := h.Keyring.Sign(name, subnetv1.HotkeyClaim(h.ChainID, coldkey), signing.SignMode_SIGN_MODE_DIRECT)
	if err != nil {
		return nil, fmt.Errorf("sign with hotkey %q: %w", name, err)
	}
	return &subnetv1.HotkeyProof{PublicKey: key.Bytes(), Signature: signature}, nil
}

func encodeProof(p *subnetv1.HotkeyProof) (string, error) {
	raw, err := p.Marshal()
	return base64.StdEncoding.EncodeToString(raw), err
}

func decodeProof(text string) (*subnetv1.HotkeyProof, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	proof := &subnetv1.HotkeyProof{}
	if err == nil {
		err = proof.Unmarshal(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: not what `plexus tx subnet prove-hotkey` prints: %w", flagProof, err)
	}
	return proof, nil
}

func proveHotkeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prove-hotkey COLDKEY",
		Short: "Sign that a coldkey may claim your hotkey; nothing is sent",
		Long: "A hotkey is claimed by the first transaction that names it, which must carry a signature of the hotkey over\n" +
			"the chain id and the coldkey. Where both keys are in one keyring, the commands sign it themselves. Where they\n" +
			"are not, run this beside the hotkey and give what it prints to the other command as --" + flagProof + ".",
		Example: "plexus tx subnet prove-hotkey plx1... --from hotkey --chain-id plexus-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			clientCtx, err := client.GetClientTxContext(cmd)
			if err != nil {
				return err
			}
			coldkey, err := sdk.AccAddressFromBech32(args[0])
			if err != nil {
				return fmt.Errorf("coldkey %q: %w", args[0], err)
			}
			proof, err := hotkeys{Context: clientCtx}.prove(clientCtx.FromName, coldkey.String())
			if err != nil {
				return err
			}
			text, err := encodeProof(proof)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	flags.AddTxFlagsToCmd(cmd)
	return cmd
}

func createCommand() *cobra.Command {
	msg := &subnetv1.MsgCreateSubnet{}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Open a subnet and lock its price", Args: cobra.ExactArgs(1),
		Example: "plexus tx subnet create digits --max-lock 200000000000 --owner-hotkey hotkey --from owner",
	}
	cmd.Flags().Uint64Var(&msg.MaxLock, "max-lock", 0, "refuse a higher price, nplx")
	cmd.Flags().StringVar(&msg.OwnerHotkey, "owner-hotkey", "", "hotkey whose neuron is exempt from the stake threshold")
	return claimCommand(cmd, func(h hotkeys, sender string, args []string) (_ sdk.Msg, err error) {
		msg.Owner, msg.Name = sender, args[0]
		if msg.OwnerHotkey != "" {
			msg.OwnerHotkey, msg.OwnerHotkeyProof, err = h.claim(msg.OwnerHotkey, sender)
		}
		return msg, err
	})
}

func transferCommand() *cobra.Command {
	msg := &subnetv1.MsgTransferSubnet{}
	cmd := &cobra.Command{
		Use: "transfer NETUID NEW-OWNER", Short: "Give your subnet to another account, or change its owner's hotkey", Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&msg.NewOwnerHotkey, "new-owner-hotkey", "", "hotkey of the new owner whose neuron is exempt from the stake threshold")
	return claimCommand(cmd, func(h hotkeys, sender string, args []string) (_ sdk.Msg, err error) {
		msg.Owner = sender
		if msg.Netuid, err = parseNetuid(args[0]); err != nil {
			return nil, err
		}
		if msg.NewOwner, _, err = h.address(args[1]); err != nil {
			return nil, err
		}
		if msg.NewOwnerHotkey != "" {
			msg.NewOwnerHotkey, msg.NewOwnerHotkeyProof, err = h.claim(msg.NewOwnerHotkey, sender)
		}
		return msg, err
	})
}

func registerCommand() *cobra.Command {
	msg := &subnetv1.MsgRegister{}
	cmd := &cobra.Command{
		Use: "register NETUID HOTKEY", Short: "Register a hotkey in a subnet and burn the price", Args: cobra.ExactArgs(2),
		Example: "plexus tx subnet register 1 miner1 --max-burn 2000000000 --from owner",
	}
	cmd.Flags().Uint64Var(&msg.MaxBurn, "max-burn", 0, "refuse a higher price, nplx")
	return claimCommand(cmd, func(h hotkeys, sender string, args []string) (_ sdk.Msg, err error) {
		msg.Coldkey = sender
		if msg.Netuid, err = parseNetuid(args[0]); err != nil {
			return nil, err
		}
		msg.Hotkey, msg.HotkeyProof, err = h.claim(args[1], sender)
		return msg, err
	})
}

func bindHotkeyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bind-hotkey HOTKEY", Short: "Make your validator's stake count for a hotkey", Args: cobra.ExactArgs(1)}
	return claimCommand(cmd, func(h hotkeys, sender string, args []string) (_ sdk.Msg, err error) {
		msg := &subnetv1.MsgBindHotkey{Operator: sender}
		msg.Hotkey, msg.HotkeyProof, err = h.claim(args[0], sender)
		return msg, err
	})
}

func swapHotkeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "swap-hotkey HOTKEY NEW-HOTKEY", Short: "Move everything a hotkey has to an unused one, for a price", Args: cobra.ExactArgs(2),
	}
	return claimCommand(cmd, func(h hotkeys, sender string, args []string) (_ sdk.Msg, err error) {
		msg := &subnetv1.MsgSwapHotkey{Coldkey: sender}
		if msg.Hotkey, _, err = h.address(args[0]); err != nil {
			return nil, err
		}
		msg.NewHotkey, msg.NewHotkeyProof, err = h.claim(args[1], sender)
		return msg, err
	})
}
