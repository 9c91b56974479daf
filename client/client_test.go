package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/plexusnet/plexus/client"
	"github.com/plexusnet/plexus/client/chaintest"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/minertest"
	"github.com/plexusnet/plexus/models"
	"github.com/plexusnet/plexus/models/digits"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, chain *chaintest.Chain, options client.Options) *client.Client {
	t.Helper()
	c := client.New(chain.As(""), options)
	t.Cleanup(c.Close)
	return c
}

// network is a chain on which miners of real digit classifiers serve, the first with the highest incentive.
func network(t *testing.T, models ...[]byte) (*chaintest.Chain, []*minertest.Server) {
	t.Helper()
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Hotkey: "validator", Permit: true, Incentive: 65535}) // serves nothing, whatever it earns
	var servers []*minertest.Server
	for i, model := range models {
		server := minertest.Serve(t, miner.ServerConfig{DrainTimeout: time.Second}, map[string][]byte{"digits": model})
		servers = append(servers, server)
		chain.Add(metagraph.Neuron{Hotkey: "miner", Incentive: uint16(1000 - i), Endpoint: server.Endpoint("digits")})
	}
	return chain, servers
}

func image() []models.Tensor {
	return []models.Tensor{models.FromFloat32s(digits.InputName, []int64{1, 1, digits.Size, digits.Size}, make([]float32, digits.Size*digits.Size))}
}

func TestInferAsksTheBestAndThenTheNext(t *testing.T) {
	model := minertest.Classifier(t, 10)
	chain, servers := network(t, model, model)
	c := newClient(t, chain, client.Options{})
	request := client.Request{Netuid: 1, Inputs: image()}

	answer, err := c.Infer(t.Context(), request)
	require.NoError(t, err)
	require.EqualValues(t, 1, answer.Miner.UID)
	require.Equal(t, "digits", answer.Model)
	require.Equal(t, "1", answer.Version)
	require.Positive(t, answer.Elapsed)
	require.Empty(t, answer.Failed)
	_, err = digits.Answers(answer.Outputs[0])
	require.NoError(t, err)

	servers[0].Stop()
	answer, err = c.Infer(t.Context(), request)
	require.NoError(t, err)
	require.EqualValues(t, 2, answer.Miner.UID, "the best is gone: the next answers")
	require.Len(t, answer.Failed, 1)
	require.EqualValues(t, 1, answer.Failed[0].Miner.UID)

	servers[1].Stop()
	_, err = c.Infer(t.Context(), request)
	require.ErrorIs(t, err, client.ErrNoAnswer)
	require.ErrorContains(t, err, "uid 1 ("+servers[0].Address)
	require.ErrorContains(t, err, "uid 2 ("+servers[1].Address)
}

func TestInferGoesOnWhenAnAnswerFailsTheCheck(t *testing.T) {
	chain, _ := network(t, minertest.Constant(t, []int64{1, 3}, 1, 0, 0), minertest.Classifier(t, 10))
	c := newClient(t, chain, client.Options{})
	answer, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image(), Check: func(outputs []models.Tensor) error {
		_, err := digits.Answers(outputs[0])
		return err
	}})
	require.NoError(t, err)
	require.EqualValues(t, 2, answer.Miner.UID)
	require.ErrorIs(t, answer.Failed[0], digits.ErrAnswer)
}

func TestInferStopsAfterItsAttempts(t *testing.T) {
	chain := chaintest.New(1)
	for i := range 5 {
		chain.Add(metagraph.Neuron{Hotkey: fmt.Sprint("miner", i), Endpoint: metagraph.Endpoint{Host: "127.0.0.1", Port: 1, Protocol: "oip-v2-grpc"}})
	}
	c := newClient(t, chain, client.Options{Attempts: 2})
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image()})
	require.ErrorIs(t, err, client.ErrNoAnswer)
	var failed *client.NoAnswerError
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Failed, 2)
	require.NotEqual(t, failed.Failed[0].Miner.UID, failed.Failed[1].Miner.UID)
	require.ErrorContains(t, err, fmt.Sprintf("uid %d (127.0.0.1:1): ", failed.Failed[1].Miner.UID))
}

func TestInferGivesASlowMinerUp(t *testing.T) {
	slow := minertest.Serve(t, miner.ServerConfig{}, map[string][]byte{"slow": minertest.Slow(t, 5000)})
	chain := chaintest.New(1)
	chain.Add(metagraph.Neuron{Endpoint: slow.Endpoint("slow")})
	c := newClient(t, chain, client.Options{Timeout: 100 * time.Millisecond})
	x := []models.Tensor{models.FromFloat32s("x", []int64{1}, []float32{1})}
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: x})
	require.ErrorIs(t, err, client.ErrNoAnswer)
	require.ErrorContains(t, err, "DeadlineExceeded")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Infer(ctx, client.Request{Netuid: 1, Inputs: x})
	require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own end is not a miner's failure")
	require.NotErrorIs(t, err, client.ErrNoAnswer)
}

func TestMiners(t *testing.T) {
	at := func(port uint16) metagraph.Endpoint {
		return metagraph.Endpoint{Host: "127.0.0.1", Port: port, Protocol: "oip-v2-grpc"}
	}
	other := at(9)
	other.Protocol = "carrier-pigeon"
	graph := &metagraph.Metagraph{Neurons: []metagraph.Neuron{
		{UID: 0, Incentive: 9}, {UID: 1, Incentive: 5, Endpoint: at(1)}, {UID: 2, Incentive: 7, Endpoint: at(2)},
		{UID: 3, Incentive: 7, Endpoint: at(3)}, {UID: 4, Incentive: 8, Endpoint: other}, {UID: 5, Endpoint: at(5)}}}
	var uids []uint16
	for _, n := range client.Rank(graph) {
		uids = append(uids, n.UID)
	}
	require.Equal(t, []uint16{2, 3, 1, 5}, uids)

	chain := chaintest.New(1)
	c := newClient(t, chain, client.Options{})
	_, err := c.Miners(t.Context(), 1)
	require.ErrorIs(t, err, client.ErrNoMiners)
	_, err = c.Miners(t.Context(), 2)
	require.ErrorIs(t, err, metagraph.ErrNotFound)
}

func TestMinersKnownAreCalledWhileTheChainIsDown(t *testing.T) {
	chain, _ := network(t, minertest.Classifier(t, 10))
	chain.Down(true)
	c := newClient(t, chain, client.Options{Refresh: time.Nanosecond})
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image()})
	require.ErrorIs(t, err, metagraph.ErrUnavailable, "nobody is known yet")
	chain.Down(false)
	_, err = c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image()})
	require.NoError(t, err)
	chain.Down(true)
	_, err = c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image()})
	require.NoError(t, err)
}

func TestMinersAreReadOncePerRefresh(t *testing.T) {
	chain, _ := network(t, minertest.Classifier(t, 10))
	c := newClient(t, chain, client.Options{Refresh: time.Hour})
	for range 3 {
		_, err := c.Miners(t.Context(), 1)
		require.NoError(t, err)
	}
	require.Equal(t, 1, chain.Calls())
}

func TestAClosedClientCallsNobody(t *testing.T) {
	chain, _ := network(t, minertest.Classifier(t, 10))
	c := client.New(chain.As(""), client.Options{})
	c.Close()
	_, err := c.Infer(t.Context(), client.Request{Netuid: 1, Inputs: image()})
	require.True(t, errors.Is(err, client.ErrClosed), "%v", err)
}
