package cli

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func testCodec() codec.JSONCodec { return codec.NewProtoCodec(codectypes.NewInterfaceRegistry()) }

func TestEditHyperparams(t *testing.T) {
	now := subnetv1.Hyperparams{Tempo: 360, Kappa: 32767, AlphaSteepness: 1000, CommitReveal: "timelock", RevealPeriod: 1}
	got, err := editHyperparams(testCodec(), now, []string{"min_allowed_weights=8", "immunity_period=100", "liquid_alpha=true", "commit_reveal=hash", "alpha_steepness=-5"})
	require.NoError(t, err)
	want := now
	want.MinAllowedWeights, want.ImmunityPeriod, want.LiquidAlpha, want.CommitReveal, want.AlphaSteepness = 8, 100, true, "hash", -5
	require.Equal(t, want, got)

	for pair, says := range map[string]string{
		"tempo":             "want NAME=VALUE",
		"tempo=":            "want NAME=VALUE",
		"Tempo=1":           `no hyperparameter "Tempo": there are activity_cutoff`,
		"tempo=many":        "tempo=many",
		"kappa=-1":          "kappa=-1",
		"kappa=4294967296":  "kappa=4294967296",
		"kappa={}":          "kappa={}",
		"kappa=1,":          "want a value of that kind",
		"liquid_alpha=3":    "liquid_alpha=3",
		"tempo=1\",\"kappa": "tempo=1",
	} {
		_, err := editHyperparams(testCodec(), now, []string{pair})
		require.ErrorContains(t, err, says, pair)
	}
}

func TestParseWeights(t *testing.T) {
	netuids, values, err := parseWeights("NETUID", []string{"1=70", "4=30"})
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 4}, netuids)
	require.Equal(t, []uint32{70, 30}, values)
	for _, bad := range []string{"1", "1=", "=1", "1=65536", "65536=1", "a=1", "1=-1", "1=1=1"} {
		_, _, err := parseWeights("NETUID", []string{bad})
		require.ErrorContains(t, err, "want NETUID=WEIGHT", bad)
	}
}

func TestPLX(t *testing.T) {
	for nplx, want := range map[uint64]string{
		0: "0 PLX", 1: "0.000000001 PLX", 1_500_000_000: "1.5 PLX", 21e15: "21000000 PLX", 100_000_000_000: "100 PLX",
	} {
		require.Equal(t, want, plx(nplx))
	}
}

func table(t *testing.T, show func(io.Writer)) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, printTable(&b, show))
	return b.String()
}

func TestCommitTables(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
ID  UID  HOTKEY    MADE AT  EPOCH  OPENS IN EPOCH  BY          STATUS   SETTLED AT  REASON
4   0    plexus1a  30       2      3               round 77    hidden   never       -
5   1    plexus1b  31       2      3               its author  expired  50          its author did not open it
`, "\n"), table(t, func(w io.Writer) {
		showCommits(w, &subnetv1.QueryCommitsResponse{Commits: []subnetv1.Commit{
			{Id: 4, Hotkey: "plexus1a", Height: 30, Epoch: 2, Due: 3, Round: 77, Status: subnetv1.CommitStatus_COMMIT_STATUS_HIDDEN},
			{
				Id: 5, Uid: 1, Hotkey: "plexus1b", Height: 31, Epoch: 2, Due: 3, Hash: make([]byte, 32), Settled: 50,
				Status: subnetv1.CommitStatus_COMMIT_STATUS_EXPIRED, Reason: "its author did not open it",
			},
		}})
	}))
	require.Contains(t, table(t, func(w io.Writer) { showCommits(w, &subnetv1.QueryCommitsResponse{}) }), "no weights were committed")

	require.Equal(t, strings.TrimPrefix(`
beacon's public key  0a0b
first round at       2023-08-23T15:09:27Z
a round every        3 s
last round here      9, at height 40
its signature        0c
commits waiting      2
rounds awaited       10 11
`, "\n"), table(t, func(w io.Writer) {
		showPulse(w, &subnetv1.QueryPulseResponse{
			Beacon: subnetv1.Beacon{PublicKey: []byte{10, 11}, GenesisTime: 1692803367, PeriodSeconds: 3},
			Last:   subnetv1.Pulse{Round: 9, Signature: []byte{12}, Height: 40}, Waiting: 2, Rounds: []uint64{10, 11},
		})
	}))
	none := table(t, func(w io.Writer) { showPulse(w, &subnetv1.QueryPulseResponse{}) })
	require.Contains(t, none, "none: weights cannot be hidden by timelock\n")
	require.Contains(t, none, "last round here  none yet\n")
	require.Contains(t, none, "rounds awaited   -\n")
}

func TestIdentityTable(t *testing.T) {
	require.Equal(t, strings.TrimPrefix(`
name         Acme
url          https://example.org
image        -
description  -
contact      -
`, "\n"), table(t, func(w io.Writer) {
		showIdentity(w, &subnetv1.QueryIdentityResponse{Identity: subnetv1.Identity{Name: "Acme", Url: "https://example.org"}})
	}))
}

// TestParamsTable has every field of the parameters under its name, each once.
func TestParamsTable(t *testing.T) {
	shown := table(t, func(w io.Writer) {
		showParams(w, &subnetv1.QueryParamsResponse{Params: subnetv1.Params{OwnerBps: 1800, Defaults: subnetv1.Hyperparams{LiquidAlpha: true, CommitReveal: "hash"}}})
	})
	for _, line := range []string{"owner_bps                1800\n", "beacon  none", "liquid_alpha                   true\n", "commit_reveal                  hash\n"} {
		require.Contains(t, shown, line)
	}
	for _, message := range []reflect.Type{reflect.TypeFor[subnetv1.Params](), reflect.TypeFor[subnetv1.Hyperparams]()} {
		for f := range message.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.Type.Kind() != reflect.Struct {
				require.Equal(t, 1, strings.Count(shown, "\n"+name+" "), name)
			}
		}
	}
}

func TestEndpointFromFlags(t *testing.T) {
	cmd := serveCommand()
	require.NoError(t, cmd.ParseFlags([]string{"--model", "digits", "--model-sha256", "01ff", "--tls-key-hash", "02", "--protocol", "p",
		"--price", "1", "--price-input-kib", "2", "--price-output-kib", "3", "--price-compute-second", "4"}))
	e, err := endpointFromFlags(cmd, "example.org:8500")
	require.NoError(t, err)
	require.Equal(t, subnetv1.Endpoint{Host: "example.org", Port: 8500, Protocol: "p", Model: "digits", ModelSha256: []byte{1, 255},
		TlsKeyHash: []byte{2}, Price: 1, PriceInputKib: 2, PriceOutputKib: 3, PriceComputeSecond: 4}, e)
	require.ErrorContains(t, cmd.ParseFlags([]string{"--price-input-kib", "-1"}), "--price-input-kib")
	_, err = endpointFromFlags(cmd, "example.org")
	require.ErrorContains(t, err, "HOST:PORT")
}

func TestTables(t *testing.T) {
	s := subnetv1.SubnetInfo{
		Subnet:  subnetv1.Subnet{Netuid: 1, Owner: "plexus1owner", Name: "digits", Neurons: 5, Vacant: 1, Hyperparams: subnetv1.Hyperparams{Tempo: 360, MaxUids: 256, CommitReveal: "off"}},
		Pending: 2_500_000_000, RegistrationPrice: 1_000_000_000, NextEpoch: 720, Share: 500_000_000, Emission: 500_000_000,
		RootShare: 400_000_000, DemandShare: 100_000_000, RootEmission: 400_000_000, DemandEmission: 100_000_000, BurnedPerBlock: 200_000_000,
	}
	require.Equal(t, strings.TrimPrefix(`
NETUID  NAME    NEURONS  SHARE   BY DEMAND  PER BLOCK  PENDING  REGISTRATION  NEXT EPOCH  OWNER
1       digits  4/256    50.00%  10.00%     0.5 PLX    2.5 PLX  1 PLX         720         plexus1owner
`, "\n"), table(t, func(w io.Writer) { showSubnets(w, &subnetv1.QuerySubnetsResponse{Subnets: []subnetv1.SubnetInfo{s}}) }))
	require.Contains(t, table(t, func(w io.Writer) { showSubnets(w, &subnetv1.QuerySubnetsResponse{}) }), "plexus tx subnet create")

	whole := table(t, func(w io.Writer) { showSubnet(w, &subnetv1.QuerySubnetResponse{Subnet: s}) })
	for _, line := range []string{"commit_reveal         off\n", "tempo                 360\n", "kappa                 0\n", "liquid_alpha          false\n",
		"- by root weights            40.00%\n- by demand                  10.00%\n", "- by demand                  0.1 PLX\n", "burned by callers per block  0.2 PLX\n"} {
		require.Contains(t, whole, line)
	}

	m := &subnetv1.QueryMetagraphResponse{
		Netuid: 1, Height: 30, LastEpoch: 20, NextEpoch: 40, Hotkeys: []string{"plexus1a", ""}, Stake: []uint64{3_000_000_000, 0},
		Permit: []bool{true, false}, Endpoints: []subnetv1.Endpoint{{Host: "2001:db8::1", Port: 8500, Model: "m"}, {}},
	}
	require.Equal(t, strings.TrimPrefix(`
subnet 1 at height 30, last epoch 20, next 40
UID  HOTKEY    STAKE  PERMIT  MODEL  ENDPOINT
0    plexus1a  3 PLX  permit  m      [2001:db8::1]:8500
1    (vacant)  0 PLX          -      -
`, "\n"), table(t, func(w io.Writer) { showMetagraph(w, m) }))
	require.Contains(t, table(t, func(w io.Writer) { showMetagraph(w, &subnetv1.QueryMetagraphResponse{Netuid: 1}) }), "no neuron is registered")

	require.Equal(t, "UID  SET AT  WEIGHTS (uid:share of the row)\n0    7       2:0.7500 3:0.2500\n1    8       -\n", table(t, func(w io.Writer) {
		showWeights(w, &subnetv1.QueryWeightsResponse{Rows: []subnetv1.WeightRow{
			{Uid: 0, Updated: 7, Uids: []uint32{1, 2, 3}, Values: []uint32{0, 60000, 20000}}, {Uid: 1, Updated: 8},
		}})
	}))
	require.Contains(t, table(t, func(w io.Writer) {
		showNeuron(w, &subnetv1.QueryNeuronResponse{BlocksUntilWeights: 12, Neuron: subnetv1.Neuron{Hotkey: "plexus1a"}})
	}), "in 12 blocks")
	priced := table(t, func(w io.Writer) {
		showNeuron(w, &subnetv1.QueryNeuronResponse{Neuron: subnetv1.Neuron{Endpoint: &subnetv1.Endpoint{
			Price: 1_000_000_000, PriceInputKib: 2_000_000_000, PriceOutputKib: 3_000_000_000, PriceComputeSecond: 4_000_000_000}}})
	})
	for _, line := range []string{"price per request            1 PLX\n", "price per KiB of input       2 PLX\n",
		"price per KiB of output      3 PLX\n", "price per second of compute  4 PLX\n"} {
		require.Contains(t, priced, line)
	}
	require.Contains(t, table(t, func(w io.Writer) { showHistory(w, &subnetv1.QueryHistoryResponse{Hotkey: "plexus1a"}) }), "no epoch")
	require.Contains(t, table(t, func(w io.Writer) {
		showPositions(w, &subnetv1.QueryPositionsResponse{Subnets: []uint32{2, 9}, Positions: []subnetv1.Position{{Netuid: 2, Incentive: 65535}}})
	}), "1.0000")
	require.Contains(t, table(t, func(w io.Writer) {
		showRootWeights(w, &subnetv1.QueryRootWeightsResponse{Netuids: []uint32{1}, Shares: []uint64{1_000_000_000}})
	}), "100.00%")
	require.Equal(t, "UID  CHANGED AT  BONDS (uid:strength)\n0    7           2:1.0000 3:0.5000\n", table(t, func(w io.Writer) {
		showBonds(w, &subnetv1.QueryBondsResponse{Rows: []subnetv1.WeightRow{
			{Uid: 0, Updated: 7, Uids: []uint32{1, 2, 3}, Values: []uint32{0, 65535, 32768}},
		}})
	}))
	require.Contains(t, table(t, func(w io.Writer) { showBonds(w, &subnetv1.QueryBondsResponse{}) }), "nobody has bonds yet")
	wrong := table(t, func(w io.Writer) {
		showEmission(w, &subnetv1.QueryEmissionResponse{Pending: 1, Streaming: 2, EmissionAccount: 3, Locked: 5, LockAccount: 4})
	})
	require.Contains(t, wrong, "0.000000003 PLX (agrees)")
	require.Contains(t, wrong, "WRONG: 0.000000005 PLX are owed")
}
