package keeper_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func endpoint() subnetv1.Endpoint {
	return subnetv1.Endpoint{
		Host: "192.0.2.1", Port: 8443, Protocol: "oip-v2-grpc", TlsKeyHash: bytes.Repeat([]byte{1}, 32),
		Model: "digits", ModelSha256: bytes.Repeat([]byte{2}, 32), Price: 7,
		PriceInputKib: 8, PriceOutputKib: 9, PriceComputeSecond: 10,
	}
}

func TestServe(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.register(alice, minerA)
	msg := &subnetv1.MsgServe{Hotkey: minerA.String(), Netuid: 1, Endpoint: endpoint()}
	msg.Endpoint.Height = 999_999 // the chain sets it
	require.Zero(t, n.neuron(minerA).BlocksUntilServe)
	n.Must(minerA, msg)

	want := endpoint()
	want.Height = n.Height()
	require.Equal(t, &want, n.neuron(minerA).Neuron.Endpoint)
	require.Equal(t, []subnetv1.Endpoint{want}, n.metagraph().Endpoints)

	// Three blocks must pass.
	require.EqualValues(t, 2, n.neuron(minerA).BlocksUntilServe, "asked for the next block")
	n.Refuse(keeper.ErrRateLimited, minerA, msg)
	n.Advance(1)
	n.Refuse(keeper.ErrRateLimited, minerA, msg)
	n.Advance(1)
	require.Zero(t, n.neuron(minerA).BlocksUntilServe)
	n.Must(minerA, msg)
	require.Equal(t, n.Height(), n.neuron(minerA).Neuron.Endpoint.Height)
}

func TestServeRefusals(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	n.register(alice, minerA)
	good := func() *subnetv1.MsgServe {
		return &subnetv1.MsgServe{Hotkey: minerA.String(), Netuid: 1, Endpoint: endpoint()}
	}
	unknown := good()
	unknown.Netuid = 2
	n.Refuse(keeper.ErrUnknownSubnet, minerA, unknown)
	stranger := good()
	stranger.Hotkey = bob.String()
	n.Refuse(keeper.ErrNotRegistered, bob, stranger)
	coldkey := good()
	coldkey.Hotkey = alice.String()
	n.Refuse(keeper.ErrNotRegistered, alice, coldkey)
	for name, change := range map[string]func(*subnetv1.Endpoint){
		"no host":           func(e *subnetv1.Endpoint) { e.Host = "" },
		"host with escapes": func(e *subnetv1.Endpoint) { e.Host = "\x1b[2J" },
		"port 0":            func(e *subnetv1.Endpoint) { e.Port = 0 },
		"port 65536":        func(e *subnetv1.Endpoint) { e.Port = 65536 },
		"no protocol":       func(e *subnetv1.Endpoint) { e.Protocol = "" },
		"short TLS hash":    func(e *subnetv1.Endpoint) { e.TlsKeyHash = []byte{1} },
		"no model":          func(e *subnetv1.Endpoint) { e.Model = "" },
		"no model hash":     func(e *subnetv1.Endpoint) { e.ModelSha256 = nil },
		"absurd price":      func(e *subnetv1.Endpoint) { e.Price = subnet.Cap + 1 },
		"absurd input":      func(e *subnetv1.Endpoint) { e.PriceInputKib = subnet.Cap + 1 },
		"absurd output":     func(e *subnetv1.Endpoint) { e.PriceOutputKib = subnet.Cap + 1 },
		"absurd compute":    func(e *subnetv1.Endpoint) { e.PriceComputeSecond = subnet.Cap + 1 },
	} {
		t.Run(name, func(t *testing.T) {
			msg := good()
			change(&msg.Endpoint)
			n.Refuse(keeper.ErrInvalidEndpoint, minerA, msg)
			require.Nil(t, n.neuron(minerA).Neuron.Endpoint)
		})
	}
	n.Must(minerA, good()) // a refusal does not start the rate limit
}
