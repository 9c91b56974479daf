package chainclient

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	clienttx "github.com/cosmos/cosmos-sdk/client/tx"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	txservice "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
)

// maxSequenceRetries bounds how often one Submit asks the chain for the
// account's sequence again. More than a few means that another program keeps
// sending with the same key.
const maxSequenceRetries = 8

// simulatePath is the query that runs a transaction without keeping it. Unlike
// the tx service's Simulate, it answers with the code of the refusal.
const simulatePath = "/app/simulate"

// TxResult is a transaction that stands in a block and succeeded.
type TxResult struct {
	Hash    string
	Height  uint64
	GasUsed uint64

	data []byte // encoded sdk.TxMsgData
}

// Response decodes the chain's answer to the message at index into resp.
func (r TxResult) Response(index int, resp proto.Message) error {
	var data sdk.TxMsgData
	if err := proto.Unmarshal(r.data, &data); err != nil {
		return fmt.Errorf("answer of transaction %s: %w", r.Hash, err)
	}
	if index < 0 || index >= len(data.MsgResponses) {
		return fmt.Errorf("answer of transaction %s: no message %d, it has %d", r.Hash, index, len(data.MsgResponses))
	}
	answer := data.MsgResponses[index]
	if want := "/" + proto.MessageName(resp); answer.TypeUrl != want {
		return fmt.Errorf("answer of transaction %s: message %d is a %s, not a %s", r.Hash, index, answer.TypeUrl, want)
	}
	return proto.Unmarshal(answer.Value, resp)
}

// Submit signs msgs as one transaction, broadcasts it and returns once it
// stands in a block. Gas is simulated unless Config.Gas fixes it.
//
// Errors: *TxError when the chain refuses, before or in the block; ErrNotFound
// when the chain does not know the signer's account; ErrUnavailable when there
// is no answer, or no inclusion within Config.TxTimeout. In that last case the
// transaction may still be included later: ask the chain before sending
// anything that must not happen twice.
func (c *Client) Submit(ctx context.Context, signer *Signer, msgs ...sdk.Msg) (TxResult, error) {
	if err := c.enc.check(msgs); err != nil {
		return TxResult{}, err
	}
	if err := signer.lock(ctx); err != nil {
		return TxResult{}, fmt.Errorf("wait for the transaction before of %s: %w", signer.name, err)
	}
	defer signer.unlock()

	for poll, tries := newPoll(), 0; ; tries++ {
		res, err := c.submitOnce(ctx, signer, msgs)
		if err == nil {
			signer.account.sequence++
			return res, nil
		}
		signer.account = nil // whatever went wrong, the chain knows better where the account stands
		var refused *TxError
		if !errors.As(err, &refused) || !refused.is(sdkerrors.ErrWrongSequence) || tries == maxSequenceRetries {
			return TxResult{}, err
		}
		// Another transaction of this account is on its way: after the next
		// block the chain's answer will count it.
		if poll.wait(ctx) != nil {
			return TxResult{}, err
		}
	}
}

// submitOnce makes one attempt with what is known of the account.
func (c *Client) submitOnce(ctx context.Context, signer *Signer, msgs []sdk.Msg) (TxResult, error) {
	if err := c.locate(ctx, signer); err != nil {
		return TxResult{}, err
	}
	factory := c.factory(signer)
	gas, err := c.gasLimit(ctx, factory, msgs)
	if err != nil {
		return TxResult{}, err
	}
	encoded, err := c.sign(ctx, signer, factory.WithGas(gas), msgs)
	if err != nil {
		return TxResult{}, err
	}
	hash, err := c.broadcast(ctx, encoded)
	if err != nil {
		return TxResult{}, err
	}
	return c.included(ctx, hash)
}

// locate makes sure that the signer's account is known.
func (c *Client) locate(ctx context.Context, signer *Signer) error {
	chainID, err := c.ChainID(ctx)
	if err != nil {
		return err
	}
	if signer.account != nil && signer.account.chainID == chainID {
		return nil
	}
	resp, err := call(ctx, c, "account "+signer.address, c.auth.AccountInfo, &authtypes.QueryAccountInfoRequest{Address: signer.address})
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("key %q has no account on the chain yet; send something to %s first: %w", signer.name, signer.address, err)
	}
	if err != nil {
		return err
	}
	signer.account = &account{chainID: chainID, number: resp.Info.GetAccountNumber(), sequence: resp.Info.GetSequence()}
	return nil
}

func (c *Client) factory(signer *Signer) clienttx.Factory {
	return clienttx.Factory{}.
		WithTxConfig(c.enc.tx).
		WithKeybase(signer.keyring).
		WithFromName(signer.name).
		WithSignMode(signing.SignMode_SIGN_MODE_DIRECT).
		WithChainID(signer.account.chainID).
		WithAccountNumber(signer.account.number).
		WithSequence(signer.account.sequence).
		WithSimulateAndExecute(c.cfg.Gas == 0)
}

// gasLimit is the configured limit, or what a trial run used and some more.
func (c *Client) gasLimit(ctx context.Context, factory clienttx.Factory, msgs []sdk.Msg) (uint64, error) {
	if c.cfg.Gas != 0 {
		return c.cfg.Gas, nil
	}
	trial, err := factory.BuildSimTx(msgs...)
	if err != nil {
		return 0, fmt.Errorf("build the transaction: %w", err)
	}
	resp, err := call(ctx, c, "simulate", c.comet.ABCIQuery, &cmtservice.ABCIQueryRequest{Path: simulatePath, Data: trial})
	if err != nil {
		return 0, err
	}
	if resp.Code != 0 {
		return 0, refusal(resp.Codespace, resp.Code, resp.Log, "")
	}
	var result struct {
		GasInfo struct {
			GasUsed uint64 `json:"gas_used,string"`
		} `json:"gas_info"`
	}
	if err := json.Unmarshal(resp.Value, &result); err != nil {
		return 0, fmt.Errorf("node %s: answer to simulate: %w", c.cfg.Address, err)
	}
	return uint64(math.Ceil(float64(result.GasInfo.GasUsed) * c.cfg.GasAdjustment)), nil
}

func (c *Client) sign(ctx context.Context, signer *Signer, factory clienttx.Factory, msgs []sdk.Msg) ([]byte, error) {
	if !c.gasPrices.IsZero() {
		factory = factory.WithGasPrices(c.gasPrices.String())
	}
	builder, err := factory.BuildUnsignedTx(msgs...)
	if err != nil {
		return nil, fmt.Errorf("build the transaction: %w", err)
	}
	if err := clienttx.Sign(ctx, factory, signer.name, builder, true); err != nil {
		return nil, fmt.Errorf("sign with key %q: %w", signer.name, err)
	}
	encoded, err := c.enc.tx.TxEncoder()(builder.GetTx())
	if err != nil {
		return nil, fmt.Errorf("encode the transaction: %w", err)
	}
	return encoded, nil
}

// broadcast hands the transaction to the node's mempool and returns its hash.
func (c *Client) broadcast(ctx context.Context, encoded []byte) (string, error) {
	resp, err := call(ctx, c, "broadcast", c.tx.BroadcastTx, &txservice.BroadcastTxRequest{
		TxBytes: encoded,
		Mode:    txservice.BroadcastMode_BROADCAST_MODE_SYNC,
	})
	if err != nil {
		return "", err
	}
	r := resp.TxResponse
	if r.Code == 0 {
		return r.TxHash, nil
	}
	refused := refusal(r.Codespace, r.Code, r.RawLog, r.TxHash)
	switch {
	case refused.is(sdkerrors.ErrTxInMempoolCache):
		return r.TxHash, nil // the same bytes arrived before: wait for them
	case refused.is(sdkerrors.ErrMempoolIsFull):
		return "", fmt.Errorf("node %s: %w: its mempool is full", c.cfg.Address, ErrUnavailable)
	}
	return "", refused
}

// included waits for the block that holds the transaction. While the node is
// away it keeps waiting: the transaction is out already.
func (c *Client) included(ctx context.Context, hash string) (TxResult, error) {
	deadline, cancel := context.WithTimeout(ctx, c.cfg.TxTimeout)
	defer cancel()
	for poll := newPoll(); ; {
		err := poll.wait(deadline)
		if ctx.Err() != nil {
			return TxResult{}, fmt.Errorf("wait for transaction %s: %w", hash, ctx.Err())
		}
		if err != nil {
			return TxResult{}, fmt.Errorf("transaction %s is in no block after %s: %w", hash, c.cfg.TxTimeout, ErrUnavailable)
		}
		resp, err := call(ctx, c, "transaction "+hash, c.tx.GetTx, &txservice.GetTxRequest{Hash: hash})
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnavailable) {
			continue
		}
		if err != nil {
			return TxResult{}, err
		}
		return result(resp.TxResponse)
	}
}

func result(r *sdk.TxResponse) (TxResult, error) {
	if r.Code != 0 {
		return TxResult{}, refusal(r.Codespace, r.Code, r.RawLog, r.TxHash)
	}
	data, err := hex.DecodeString(r.Data)
	if err != nil {
		return TxResult{}, fmt.Errorf("answer of transaction %s: %w", r.TxHash, err)
	}
	return TxResult{Hash: r.TxHash, Height: uint64(r.Height), GasUsed: uint64(r.GasUsed), data: data}, nil
}

func refusal(codespace string, code uint32, log, hash string) *TxError {
	return &TxError{Codespace: codespace, Code: code, Log: log, Hash: hash}
}
