package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/consensus"
	cmtlog "github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	sm "github.com/cometbft/cometbft/state"
	cmtstore "github.com/cometbft/cometbft/store"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/stretchr/testify/require"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/server"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/plexusnet/plexus/chain/app"
	"github.com/plexusnet/plexus/chain/apptest"
	"github.com/plexusnet/plexus/chain/localnet/files"
	"github.com/plexusnet/plexus/chain/subnet/keeper"
	"github.com/plexusnet/plexus/subnet"
)

// replayed is how many blocks a node makes before another replays them.
const replayed = 400

// BenchmarkReplay has a node make blocks without transactions, and then an
// application without state catch up with them as `plexus start` does: the
// consensus engine reads each block from its store, checks it and has it
// executed and committed.
func BenchmarkReplay(b *testing.B) {
	cfg := oneNode(b)
	made := makeBlocks(b, cfg)
	var spent time.Duration
	blocks := int64(0)
	for b.Loop() {
		spent += replay(b, cfg)
		blocks += made
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(blocks)/spent.Seconds(), "blocks/s")
}

// oneNode writes the files of a network of one node that makes blocks without
// a pause.
func oneNode(b *testing.B) *cmtcfg.Config {
	net, err := files.Write(files.Spec{
		ChainID: apptest.ChainID, Dir: b.TempDir(), BlockTime: time.Millisecond, Params: keeper.DefaultParams(),
		Validators: []files.Validator{{Name: "val", Stake: 100 * subnet.PLX, Node: &files.Node{RPC: 1, P2P: 2, GRPC: 3, REST: 4}}},
	})
	require.NoError(b, err)
	cfg := cmtcfg.DefaultConfig().SetRoot(net.Homes["val"])
	cfg.RPC.ListenAddress, cfg.P2P.ListenAddress = "", "tcp://127.0.0.1:0"
	cfg.Consensus.TimeoutCommit = 0
	return cfg
}

func genesisOf(cfg *cmtcfg.Config) (*cmttypes.GenesisDoc, error) {
	genesis, err := genutiltypes.AppGenesisFromFile(cfg.GenesisFile())
	if err != nil {
		return nil, err
	}
	return genesis.ToGenesisDoc()
}

// openApp opens the application of a node below a folder.
func openApp(b *testing.B, home string) *app.App {
	options := apptest.NodeOptions(home)
	db, err := dbm.NewDB("application", server.GetAppDBBackend(options), filepath.Join(home, "data"))
	require.NoError(b, err)
	a, err := app.New(log.NewNopLogger(), db, true, options, server.DefaultBaseappOptions(options)...)
	require.NoError(b, err)
	return a
}

// makeBlocks runs a node until it has made enough blocks, and returns their
// number.
func makeBlocks(b *testing.B, cfg *cmtcfg.Config) int64 {
	a := openApp(b, cfg.RootDir)
	defer func() { require.NoError(b, a.Close()) }()
	nodeKey, err := p2p.LoadOrGenNodeKey(cfg.NodeKeyFile())
	require.NoError(b, err)
	n, err := node.NewNode(cfg, privval.LoadFilePV(cfg.PrivValidatorKeyFile(), cfg.PrivValidatorStateFile()), nodeKey,
		proxy.NewLocalClientCreator(server.NewCometABCIWrapper(a)), func() (*cmttypes.GenesisDoc, error) { return genesisOf(cfg) },
		cmtcfg.DefaultDBProvider, node.DefaultMetricsProvider(cfg.Instrumentation), cmtlog.NewNopLogger())
	require.NoError(b, err)
	require.NoError(b, n.Start())
	require.Eventually(b, func() bool { return n.BlockStore().Height() >= replayed }, 2*time.Minute, 10*time.Millisecond)
	require.NoError(b, n.Stop())
	n.Wait()
	return n.BlockStore().Height()
}

// replay brings an application without state to the height of the node's
// blocks, and returns how long it took.
func replay(b *testing.B, cfg *cmtcfg.Config) time.Duration {
	blocksDB, err := cmtcfg.DefaultDBProvider(&cmtcfg.DBContext{ID: "blockstore", Config: cfg})
	require.NoError(b, err)
	defer blocksDB.Close()
	stateDB, err := cmtcfg.DefaultDBProvider(&cmtcfg.DBContext{ID: "state", Config: cfg})
	require.NoError(b, err)
	defer stateDB.Close()
	states, blocks := sm.NewStore(stateDB, sm.StoreOptions{}), cmtstore.NewBlockStore(blocksDB)
	genesis, err := genesisOf(cfg)
	require.NoError(b, err)
	state, err := states.LoadFromDBOrGenesisDoc(genesis)
	require.NoError(b, err)

	a := openApp(b, b.TempDir())
	defer func() { require.NoError(b, a.Close()) }()
	conns := proxy.NewAppConns(proxy.NewLocalClientCreator(server.NewCometABCIWrapper(a)), proxy.NopMetrics())
	require.NoError(b, conns.Start())
	defer func() { require.NoError(b, conns.Stop()) }()

	start := time.Now()
	require.NoError(b, consensus.NewHandshaker(states, state, blocks, genesis).HandshakeWithContext(context.Background(), conns))
	took := time.Since(start)
	require.Equal(b, blocks.Height(), a.LastBlockHeight())
	return took
}
