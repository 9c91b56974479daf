package files

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cmtcfg "github.com/cometbft/cometbft/config"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"

	"github.com/plexusnet/plexus/chain/network"
	"github.com/plexusnet/plexus/chain/nodeconfig"
)

// A round whose proposer is silent costs the proposal's timeout. It follows the
// pace of blocks within these bounds.
const (
	minProposeTimeout = 500 * time.Millisecond
	maxProposeTimeout = 3 * time.Second
)

// writeConfig makes a node's home and writes config.toml, app.toml and
// client.toml. config.toml is written once more when the peers are known.
func (w *writer) writeConfig(v Validator) (*cmtcfg.Config, error) {
	folder := filepath.Join(v.Node.Home, "config")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	cfg := w.cometConfig(v)
	if err := cfg.ValidateBasic(); err != nil {
		return nil, err
	}
	cmtcfg.WriteConfigFile(filepath.Join(folder, "config.toml"), cfg)

	if err := nodeconfig.WriteApp(filepath.Join(folder, "app.toml"), w.settings(v.Node)); err != nil {
		return nil, err
	}
	return cfg, os.WriteFile(filepath.Join(folder, "client.toml"), w.clientConfig(v.Node), 0o600)
}

func (w *writer) cometConfig(v Validator) *cmtcfg.Config {
	cfg := cmtcfg.DefaultConfig()
	cfg.SetRoot(v.Node.Home)
	cfg.Moniker = v.Name
	cfg.RPC.ListenAddress = "tcp://" + v.Node.address(v.Node.RPC)
	cfg.RPC.PprofListenAddress = ""
	cfg.P2P.ListenAddress = "tcp://" + v.Node.address(v.Node.P2P)
	cfg.P2P.AddrBookStrict = false // addresses on this machine are addresses
	cfg.P2P.AllowDuplicateIP = true
	cfg.Consensus.TimeoutCommit = w.BlockTime
	cfg.Consensus.TimeoutPropose = min(max(w.BlockTime, minProposeTimeout), maxProposeTimeout)
	return cfg
}

func (w *writer) settings(n *Node) nodeconfig.Settings {
	s := nodeconfig.Default()
	s.MinGasPrices = cmp.Or(w.MinGasPrice, "0") + network.Denom
	s.GRPC.Address = n.address(n.GRPC)
	s.GRPCWeb.Enable = false
	s.API.Address = "tcp://" + n.address(n.REST)
	s.Pace.BlockTime = 0
	if w.Paced {
		s.Pace.BlockTime = w.BlockTime
	}
	return s
}

// clientConfig lets `plexus query` and `plexus tx` with the node's home reach
// the node and the keys without further flags.
func (w *writer) clientConfig(n *Node) []byte {
	return fmt.Appendf(nil, `chain-id = %q
keyring-backend = %q
output = "text"
node = %q
broadcast-mode = "sync"
`, w.ChainID, keyring.BackendTest, "tcp://"+n.address(n.RPC))
}

func (n *Node) address(port int) string { return fmt.Sprintf("%s:%d", n.Host, port) }
