package minercmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	chainclient "github.com/plexusnet/plexus/chain/client"
	"github.com/plexusnet/plexus/client/amount"
	"github.com/plexusnet/plexus/client/metagraph"
	"github.com/plexusnet/plexus/miner"
	"github.com/plexusnet/plexus/miner/till"
	"github.com/plexusnet/plexus/miner/till/tillchain"
	"github.com/plexusnet/plexus/payment"
)

// paymentSettings are the flags of a miner that is paid by its callers.
type paymentSettings struct {
	mode      string
	store     string
	threshold string
	from      string
	atEnd     time.Duration
	till      till.Config

	signer *chainclient.Signer // of redemptions
}

func (p *paymentSettings) add(f *pflag.FlagSet) {
	f.StringVar(&p.mode, "payment", string(miner.PaymentOff), "how callers pay: off, accept (those who pay go first) or require (those who do not are refused); validators with a permit never pay")
	f.StringVar(&p.store, "till", "", "file of the vouchers (default: till/NETUID-HOTKEY.db below --home)")
	f.StringVar(&p.from, "redeem-from", "", "key that signs redemptions and pays their gas, by name (default: the coldkey, else the hotkey)")
	f.StringVar(&p.threshold, "redeem-threshold", "", "least that a redemption must bring, such as 0.1plx (default: 1000 times what its gas costs)")
	f.DurationVar(&p.till.RedeemEvery, "redeem-interval", 10*time.Minute, "least time between redemptions; channels that are about to end do not wait for it")
	f.DurationVar(&p.atEnd, "redeem-at-end", 30*time.Second, "what redeeming the rest may take when the miner is told to stop; 0: the rest is left for the next start")
	f.Uint64Var(&p.till.Margin, "payment-margin", 20, "blocks before a channel's end from which it is not taken any more, and redeemed")
	f.IntVar(&p.till.MaxLanes, "max-lanes", 1<<16, "lanes of channels that are kept; more are refused")
	f.IntVar(&p.till.MaxChannelsPerPayer, "max-channels", 64, "channels of one payer")
	f.IntVar(&p.till.MaxInHand, "max-lane-requests", 256, "requests of one lane at once")
	f.IntVar(&p.till.MaxLookups, "max-lookups", 8, "channels that are asked for on the chain at once")
	f.Int64Var(&p.till.MaxStoreBytes, "till-max-bytes", 1<<30, "size of the file of vouchers from which on no new lane is taken")
}

// takes reports whether callers can pay.
func (p *paymentSettings) takes() bool { return p.mode != "" && p.mode != string(miner.PaymentOff) }

func (p *paymentSettings) check(nodeKey string) error {
	if !p.takes() {
		return nil
	}
	var errs []error
	if nodeKey == "" {
		errs = append(errs, fmt.Errorf("--payment %s: give --node-key and --chain-id too: who pays is known by the certificate of his node key", p.mode))
	}
	if p.threshold != "" {
		if _, err := amount.Parse(p.threshold); err != nil {
			errs = append(errs, fmt.Errorf("--redeem-threshold: %w", err))
		}
	}
	if p.till.Margin == 0 || p.atEnd < 0 || p.till.RedeemEvery <= 0 {
		errs = append(errs, errors.New("--payment-margin and --redeem-interval: want more than 0, and --redeem-at-end 0 or more"))
	}
	if p.till.MaxLanes <= 0 || p.till.MaxChannelsPerPayer <= 0 || p.till.MaxInHand <= 0 || p.till.MaxLookups <= 0 || p.till.MaxStoreBytes <= 0 {
		errs = append(errs, errors.New("--max-lanes, --max-channels, --max-lane-requests, --max-lookups and --till-max-bytes: want more than 0"))
	}
	return errors.Join(errs...)
}

// sign takes the key that redeems.
func (p *paymentSettings) sign(hotkey, coldkey, from *chainclient.Signer) {
	p.signer = cmp.Or(from, coldkey, hotkey)
}

// open opens the till of a hotkey; nil where nothing is paid. Its end closes what it used.
func (p *paymentSettings) open(cmd *cobra.Command, keeper *miner.Keeper, node *chainclient.Client, watch time.Duration, log *slog.Logger) (*till.Till, func(), error) {
	nothing := func() {}
	if !p.takes() {
		return nil, nothing, nil
	}
	price := priceOf(keeper.Endpoint)
	if p.mode == string(miner.PaymentRequire) && price == (payment.Price{}) {
		return nil, nothing, errors.New("--payment require: every price is 0: set --price, or use --payment accept")
	}
	gas := &gasClients{cmd: cmd}
	config := p.till
	config.ChainID, config.Netuid, config.Hotkey, config.Price = flagText(cmd, "chain-id"), keeper.Member.Netuid, keeper.Member.Hotkey, price
	config.Chain, config.Interval, config.Log = tillchain.New(node, p.signer, gas.client), watch, log
	var err error
	if config.Store, err = p.path(cmd, config.Netuid, config.Hotkey); err != nil {
		return nil, nothing, err
	}
	if config.Threshold, err = p.least(flagText(cmd, "gas-price")); err != nil {
		return nil, nothing, err
	}
	t, err := till.Open(config)
	if err != nil {
		gas.close()
		return nil, nothing, err
	}
	keeper.Metrics.Register(t)
	log.Info("paid by callers", "payment", p.mode, "till", config.Store, "price_request", price.Request, "price_input_kib", price.Input,
		"price_output_kib", price.Output, "price_compute_second", price.Compute, "redeemed_by", p.signer.Address(), "redeem_threshold_nplx", config.Threshold)
	return t, func() {
		if err := t.Close(); err != nil {
			log.Error("close the till", "error", err)
		}
		gas.close()
	}, nil
}

// priceOf returns what an endpoint announces.
func priceOf(e metagraph.Endpoint) payment.Price {
	return payment.Price{Request: e.Price, Input: e.InputPrice, Output: e.OutputPrice, Compute: e.ComputePrice}
}

// finish redeems the rest when no request is in hand any more.
func (p *paymentSettings) finish(t *till.Till, log *slog.Logger) {
	if t == nil || p.atEnd == 0 || t.Earnings().Pending == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.atEnd)
	defer cancel()
	log.Info("redeeming the rest", "nplx", t.Earnings().Pending, "timeout", p.atEnd)
	t.Finish(ctx)
}

// Gas of a redemption of one voucher, about, and how many times what it costs a redemption must bring.
const (
	redeemGas    = 150_000
	redeemFactor = 1000
)

// least returns the nplx that a redemption must bring.
func (p *paymentSettings) least(gasPrice string) (uint64, error) {
	if p.threshold != "" {
		nplx, err := amount.Parse(p.threshold)
		return max(1, nplx), err
	}
	price, ok := new(big.Rat).SetString(cmp.Or(gasPrice, "0"))
	if !ok {
		return 0, fmt.Errorf("--gas-price %q: want a decimal number of nplx", gasPrice)
	}
	cost := new(big.Rat).Mul(price, big.NewRat(redeemGas*redeemFactor, 1))
	whole := new(big.Int).Quo(cost.Num(), cost.Denom())
	if !whole.IsUint64() {
		return 0, fmt.Errorf("--gas-price %s: too high to redeem anything; say with --redeem-threshold what a redemption must bring", gasPrice)
	}
	return max(1, whole.Uint64()), nil
}

// path returns where the vouchers are.
func (p *paymentSettings) path(cmd *cobra.Command, netuid uint32, hotkey string) (string, error) {
	if p.store != "" {
		return p.store, nil
	}
	folder, err := tillFolder(cmd)
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, strconv.FormatUint(uint64(netuid), 10)+"-"+hotkey+".db"), nil
}

// tillFolder is where tills are that were not given another place.
func tillFolder(cmd *cobra.Command) (string, error) {
	home := flagText(cmd, "home")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the till: give --till: %w", err)
		}
		home = filepath.Join(user, ".plexus")
	}
	return filepath.Join(home, "till"), nil
}

func flagText(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// maxBumps is how often the gas price is doubled for a redemption that gets no answer.
const maxBumps = 3

// gasClients are clients of the node that offer more and more for gas.
type gasClients struct {
	cmd *cobra.Command

	mu      sync.Mutex
	clients []*chainclient.Client
}

// client returns the one for an attempt, from 0.
func (g *gasClients) client(attempt int) (*chainclient.Client, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	attempt = min(attempt, maxBumps)
	for len(g.clients) <= attempt {
		price, err := bumped(flagText(g.cmd, "gas-price"), len(g.clients))
		if err != nil {
			return nil, err
		}
		client, err := chainclient.Dial(chainclient.Config{Address: flagText(g.cmd, "node"), Insecure: flagText(g.cmd, "node-insecure") == "true",
			ChainID: flagText(g.cmd, "chain-id"), GasPrice: price})
		if err != nil {
			return nil, err
		}
		g.clients = append(g.clients, client)
	}
	return g.clients[attempt], nil
}

func (g *gasClients) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.clients {
		c.Close()
	}
}

// bumped doubles a gas price so many times.
func bumped(price string, times int) (string, error) {
	if price == "" {
		return "", nil
	}
	value, ok := new(big.Rat).SetString(price)
	if !ok {
		return "", fmt.Errorf("--gas-price %q: want a decimal number of nplx", price)
	}
	return value.Mul(value, new(big.Rat).SetInt64(1<<times)).FloatString(18), nil
}

// sighted reads who is a validator before the first request comes, so that none is asked to pay: the chain may be down,
// and is then waited for beside.
func sighted(ctx context.Context, directory *miner.Directory, read func(context.Context) (*metagraph.Metagraph, error)) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if graph, err := read(ctx); err == nil {
		directory.Update(graph)
	}
}
