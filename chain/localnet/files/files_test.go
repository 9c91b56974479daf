package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcfg "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/viper"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdk "github.com/cosmos/cosmos-sdk/types"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	"github.com/plexusnet/plexus/chain/app"
	channelkeeper "github.com/plexusnet/plexus/chain/channel/keeper"
	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/subnet"
)

// noOptions leave every option of a node at its default.
type noOptions struct{}

func (noOptions) Get(string) any { return nil }

func spec(dir string) Spec {
	return Spec{
		ChainID:   "plexus-test",
		Dir:       dir,
		BlockTime: 700 * time.Millisecond,
		Params:    Scale(keeper.DefaultParams(), 10),
		Validators: []Validator{
			{Name: "alice", Stake: 45 * subnet.PLX, Balance: 5 * subnet.PLX, Node: &Node{RPC: 1001, P2P: 1002, GRPC: 1003, REST: 1004}},
			{Name: "bob", Stake: 33 * subnet.PLX, Balance: 5 * subnet.PLX},
			{Name: "carol", Stake: 22 * subnet.PLX},
		},
		ActiveValidators: 1,
		Accounts:         []Account{{Name: "dave", Balance: 7 * subnet.PLX}, {Name: "dave-hot"}},
	}
}

// TestNetworkStarts runs the chain from the genesis that was written.
func TestNetworkStarts(t *testing.T) {
	net, err := Write(spec(t.TempDir()))
	require.NoError(t, err)
	require.Equal(t, uint64(117*subnet.PLX), net.Supply)
	require.Len(t, net.Addresses, 5)

	genesis, err := genutiltypes.AppGenesisFromFile(filepath.Join(net.Homes["alice"], "config", "genesis.json"))
	require.NoError(t, err)
	doc, err := genesis.ToGenesisDoc()
	require.NoError(t, err)
	chain, err := app.New(log.NewNopLogger(), dbm.NewMemDB(), true, noOptions{}, baseapp.SetChainID("plexus-test"))
	require.NoError(t, err)
	params := doc.ConsensusParams.ToProto()
	started, err := chain.InitChain(&abci.RequestInitChain{
		ChainId: "plexus-test", Time: genesis.GenesisTime, ConsensusParams: &params, AppStateBytes: genesis.AppState, InitialHeight: 1,
	})
	require.NoError(t, err)
	require.Len(t, started.Validators, 1, "only the largest stake makes blocks")
	_, err = chain.FinalizeBlock(&abci.RequestFinalizeBlock{Height: 1, Time: genesis.GenesisTime.Add(time.Second)})
	require.NoError(t, err)
	_, err = chain.Commit()
	require.NoError(t, err)

	ctx := chain.NewContext(true)
	require.Equal(t, net.Supply, chain.Bank.GetSupply(ctx, network.Denom).Amount.Uint64())
	validators, err := chain.Staking.GetAllValidators(ctx)
	require.NoError(t, err)
	tokens, bonded := map[string]uint64{}, 0
	for _, v := range validators {
		tokens[v.Description.Moniker] = v.Tokens.Uint64()
		if v.Status == stakingtypes.Bonded {
			bonded++
		}
	}
	require.Equal(t, map[string]uint64{"alice": 45 * subnet.PLX, "bob": 33 * subnet.PLX, "carol": 22 * subnet.PLX}, tokens)
	require.Equal(t, 1, bonded)

	dave, err := sdk.AccAddressFromBech32(net.Addresses["dave"])
	require.NoError(t, err)
	require.Equal(t, uint64(7*subnet.PLX), chain.Bank.GetBalance(ctx, dave, network.Denom).Amount.Uint64())
	hot, err := sdk.AccAddressFromBech32(net.Addresses["dave-hot"])
	require.NoError(t, err)
	require.False(t, chain.Accounts.HasAccount(ctx, hot), "a key without balance is unknown to the chain")
}

func TestConfigurationIsAsAskedFor(t *testing.T) {
	net, err := Write(spec(t.TempDir()))
	require.NoError(t, err)
	home := net.Homes["alice"]

	v := viper.New()
	v.SetConfigFile(filepath.Join(home, "config", "config.toml"))
	require.NoError(t, v.ReadInConfig())
	cfg := cmtcfg.DefaultConfig()
	require.NoError(t, v.Unmarshal(cfg))
	require.Equal(t, 700*time.Millisecond, cfg.Consensus.TimeoutCommit)
	require.Equal(t, "tcp://127.0.0.1:1001", cfg.RPC.ListenAddress)
	require.Equal(t, "tcp://127.0.0.1:1002", cfg.P2P.ListenAddress)
	require.Empty(t, cfg.RPC.PprofListenAddress)
	require.Empty(t, cfg.P2P.PersistentPeers, "bob and carol have no node")

	v = viper.New()
	v.SetConfigFile(filepath.Join(home, "config", "app.toml"))
	require.NoError(t, v.ReadInConfig())
	require.Equal(t, "127.0.0.1:1003", v.GetString("grpc.address"))
	require.Equal(t, "tcp://127.0.0.1:1004", v.GetString("api.address"))
	require.True(t, v.GetBool("api.enable"))
	require.Equal(t, "0nplx", v.GetString("minimum-gas-prices"))
	require.Zero(t, v.GetDuration("pace.block-time"), "not paced")
	require.NotZero(t, v.GetInt("state-sync.snapshot-interval"), "others can join by state sync")
}

func TestPacedNetworksKeepTheBlockTime(t *testing.T) {
	s := spec(t.TempDir())
	s.Paced = true
	net, err := Write(s)
	require.NoError(t, err)
	v := viper.New()
	v.SetConfigFile(filepath.Join(net.Homes["alice"], "config", "app.toml"))
	require.NoError(t, v.ReadInConfig())
	require.Equal(t, s.BlockTime, v.GetDuration("pace.block-time"))
}

func TestKeysArePrivate(t *testing.T) {
	dir := t.TempDir()
	net, err := Write(spec(dir))
	require.NoError(t, err)
	require.Equal(t, net.Homes["alice"], net.KeyDir)
	secret := []string{"priv_validator_key.json", "node_key.json", ".info", ".address"}
	found := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		for _, suffix := range secret {
			if !d.IsDir() && strings.HasSuffix(path, suffix) {
				info, err := d.Info()
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), path)
				found++
			}
		}
		return nil
	}))
	require.Equal(t, 2+2*5, found, "two keys of the node, two files for each key of the keyring")
	info, err := os.Stat(filepath.Join(net.KeyDir, "keyring-test"))
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
}

func TestSeveralNodesShareOneGenesisAndKnowEachOther(t *testing.T) {
	s := spec(t.TempDir())
	s.ActiveValidators = 2
	s.Validators[1].Node = &Node{RPC: 2001, P2P: 2002, GRPC: 2003, REST: 2004}
	net, err := Write(s)
	require.NoError(t, err)
	var state [2]string
	for i, name := range []string{"alice", "bob"} {
		raw, err := os.ReadFile(filepath.Join(net.Homes[name], "config", "genesis.json"))
		require.NoError(t, err)
		state[i] = string(raw)
	}
	require.Equal(t, state[0], state[1])
	config, err := os.ReadFile(filepath.Join(net.Homes["bob"], "config", "config.toml"))
	require.NoError(t, err)
	require.Contains(t, string(config), "@127.0.0.1:1002")
	require.NotContains(t, string(config), "@127.0.0.1:2002", "not its own peer")
}

func TestWriteRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(*Spec)
		want   string
	}{
		"chain id":            {func(s *Spec) { s.ChainID = "" }, "chain id"},
		"folder":              {func(s *Spec) { s.Dir = "" }, "no folder"},
		"block time":          {func(s *Spec) { s.BlockTime = 0 }, "block time"},
		"a name twice":        {func(s *Spec) { s.Accounts[0].Name = "alice" }, `key name "alice"`},
		"no validators":       {func(s *Spec) { s.Validators = nil; s.ActiveValidators = 0 }, "at least one validator"},
		"nobody makes blocks": {func(s *Spec) { s.ActiveValidators = 2 }, "validator bob has one of the 2 largest stakes but no node"},
		"too many active":     {func(s *Spec) { s.ActiveValidators = 9 }, "9 active validators of 3"},
		"nothing at stake":    {func(s *Spec) { s.Validators[2].Stake = 0 }, "carol has nothing at stake"},
		"a port twice":        {func(s *Spec) { s.Validators[0].Node.P2P = 1001 }, "want four different ones"},
		"bad parameters":      {func(s *Spec) { s.Params.OwnerBps = 9999 }, "want 10000"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := spec(t.TempDir())
			c.change(&s)
			_, err := Write(s)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestWriteKeepsEarlierKeys(t *testing.T) {
	dir := t.TempDir()
	_, err := Write(spec(dir))
	require.NoError(t, err)
	_, err = Write(spec(dir))
	require.ErrorContains(t, err, "use another folder")
}

func TestScale(t *testing.T) {
	full := keeper.DefaultParams()
	p := Scale(full, 36)
	require.NoError(t, keeper.ValidateParams(p))
	require.Equal(t, uint64(36), p.Defaults.Tempo)
	require.Equal(t, full.Defaults.WeightsRateLimit/10, p.Defaults.WeightsRateLimit)
	require.Equal(t, full.Defaults.ActivityCutoff/10, p.Defaults.ActivityCutoff)
	require.Equal(t, full.Defaults.BurnStart, p.Defaults.BurnStart)
	require.Equal(t, full, Scale(full, full.Defaults.Tempo))

	one := Scale(full, 1)
	require.NoError(t, keeper.ValidateParams(one))
	require.Equal(t, uint64(1), one.Defaults.ServingRateLimit)
}

func TestScaleChannels(t *testing.T) {
	full := channelkeeper.DefaultParams()
	require.Equal(t, full, ScaleChannels(full, 360, 360))
	p := ScaleChannels(full, 36, 360)
	require.NoError(t, channelkeeper.ValidateParams(p))
	require.Equal(t, []uint64{full.CloseDelay / 10, full.MaxDuration / 10, full.DemandWindow / 10}, []uint64{p.CloseDelay, p.MaxDuration, p.DemandWindow})
	require.Equal(t, full.MinDeposit, p.MinDeposit)
	require.NoError(t, channelkeeper.ValidateParams(ScaleChannels(full, 1, 1_000_000)))
}
