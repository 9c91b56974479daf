package client_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/oip"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/models"
)

func Example() {
	chain := chaintest.New(1) // in a program: an onchain.Chain
	c := client.New(chain.As(""), client.Options{})
	defer c.Close()
	image := models.FromFloat32s("image", []int64{1, 1, 28, 28}, make([]float32, 28*28))
	answer, err := c.Infer(context.Background(), client.Request{Netuid: 1, Inputs: []models.Tensor{image}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.Miner.UID, answer.Outputs[0].Shape, answer.Elapsed)
	// Output: no miner serves in subnet 1: of its 0 neurons, none has announced an endpoint
}

// Who pays shows the node key that signs vouchers, and says how much may be spent.
func Example_paying() {
	var (
		ctx      = context.Background()
		chain    client.Directory   // an onchain.Chain
		money    wallet.Chain       // an onchain.Wallet
		key      ed25519.PrivateKey // identity.LoadOrCreateKey("node.pem")
		identity oip.Identity       // oip.NodeIdentity(key, "plexus-1", signer)
		request  client.Request
	)
	w, err := wallet.Open(wallet.Options{Path: "wallet.db", Chain: money, ChainID: "plexus-1", Key: key, Budget: 10 * amount.PLX})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	c := client.New(chain, client.Options{
		Wallet: w, Dialer: oip.Dialer{Identity: identity}, MaxPrice: 1_000_000,
		Observe: func(call client.Call) { fmt.Println(call.Tag, call.Miner.UID, call.Charged) },
	})
	defer c.Close()
	answer, err := c.Infer(ctx, request)
	switch {
	case errors.Is(err, wallet.ErrOverBudget), errors.Is(err, wallet.ErrNoFunds):
		fmt.Println("no money:", err)
	case errors.Is(err, client.ErrPrice):
		fmt.Println("too dear:", err)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(answer.Outputs, answer.Charged)
	}
}
