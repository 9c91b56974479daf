package client_test

import (
	"context"
	"fmt"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
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
