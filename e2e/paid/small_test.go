package paid

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/localnet/supervisor"
	"github.com/plexusnet/plexus/client/wallet"
	"github.com/plexusnet/plexus/models/digits"
)

const (
	caller    = "caller"
	gatewayer = "gatewayer"
)

// TestPaying pays a miner from the command line and through a gateway, ends the channels by the commands for it, and
// compares what everybody has then.
func TestPaying(t *testing.T) {
	n := newNetwork(t, plan{miners: 1, payers: []string{caller, gatewayer}, blockTime: 400 * time.Millisecond, closeDelay: 20, margin: 6})
	ports, err := supervisor.FreePorts(2)
	require.NoError(t, err)
	m := n.launch(minerName(0), n.minerArgs(0, ports[0])...)
	n.serves()
	n.listening(ports[0])
	payers := []string{caller, gatewayer}
	before := n.balances(append(payers, minerName(0)))

	charged := map[string]uint64{caller: n.infers(), gatewayer: n.asksGateway(ports[1])}
	for name, file := range map[string]string{caller: "wallet.db", gatewayer: "gateway-wallet.db"} {
		n.endChannels(name, filepath.Join(n.dir, name, "data", file), charged[name], before[name])
	}
	require.NoError(t, m.stop())
	b := n.compare(payers, before)
	require.Equal(t, uint64(2), b.channels)
	e := n.earnings(minerName(0))
	require.Zero(t, e.Lost)
	require.Zero(t, e.Pending)
	require.Equal(t, b.paid, e.Redeemed, "the miner's till says what the chain says")
	require.Equal(t, charged[caller]+charged[gatewayer], e.Owed, "what the miner says it was owed is what the answers cost")
	t.Logf("paid %d nplx = received %d + burned %d; charged %d, by %d vouchers on %d channels", b.paid, b.received, b.burned, e.Owed, b.vouchers, b.channels)
}

// infers asks for digits from the command line, in two runs over one channel, and returns what they cost.
func (n *network) infers() uint64 {
	t := n.t
	picture := filepath.Join(t.TempDir(), "1.png")
	drawOne(t, picture)
	args := append([]string{"infer", "--netuid", strconv.Itoa(netuid), "--output", "json", "--payer", caller,
		"--budget", "1plx", "--deposit", "0.01plx", "--step", "0.0001plx", "--max-price", "0.001plx"}, n.common(caller)...)
	sum := uint64(0)
	for range 2 {
		var answers []struct {
			Charged uint64   `json:"charged_nplx"`
			Failed  []string `json:"failed"`
		}
		require.NoError(t, json.Unmarshal(n.plexus(append(args, picture, picture)...), &answers))
		require.Len(t, answers, 2)
		for _, a := range answers {
			require.Greater(t, a.Charged, uint64(5000+1500), "the request and its 3 KiB of input cost that much without the rest")
			sum += a.Charged
		}
	}
	return sum
}

// asksGateway asks a gateway that pays, which knows its callers by nothing, and returns what that cost.
func (n *network) asksGateway(port int) uint64 {
	t := n.t
	g := n.launch("gateway", append([]string{"gateway", "start", "--netuid", strconv.Itoa(netuid), "--open", "--listen", fmt.Sprintf("127.0.0.1:%d", port),
		"--metrics", "", "--payer", gatewayer, "--budget", "1plx", "--deposit", "0.01plx", "--step", "0.0001plx"}, n.common(gatewayer)...)...)
	n.listening(port)
	url := fmt.Sprintf("http://127.0.0.1:%d/v2/models/subnet-%d/infer", port, netuid)
	for range 20 {
		answer, err := http.Post(url, "application/json", bytes.NewReader(question()))
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode, "%s", text)
	}
	require.NoError(t, g.stop())
	var calls []struct {
		Charged uint64 `json:"charged_nplx"`
	}
	decoder := json.NewDecoder(bytes.NewReader(n.plexus("gateway", "ledger", "export", "--home", filepath.Join(n.dir, gatewayer), "--output", "json")))
	sum, lines := uint64(0), 0
	require.NoError(t, decoder.Decode(&calls))
	for _, c := range calls {
		sum += c.Charged
		lines++
	}
	require.Equal(t, 20, lines, "the ledger has every call")
	return sum
}

// question is a request about an empty image, in the JSON of the Open Inference Protocol.
func question() []byte {
	return fmt.Appendf(nil, `{"inputs":[{"name":%q,"datatype":"FP32","shape":[1,1,%d,%d],"data":[0%s]}]}`, digits.InputName, digits.Size, digits.Size,
		strings.Repeat(",0", digits.Size*digits.Size-1))
}

// endChannels lists, closes and collects by the commands of `plexus wallet`.
func (n *network) endChannels(name, file string, charged, before uint64) {
	t := n.t
	read := func() (w struct {
		wallet.Balance
		Channels []wallet.Channel `json:"channels"`
	}) {
		require.NoError(t, json.Unmarshal(n.plexus("wallet", "list", "--wallet", file, "--output", "json"), &w))
		return w
	}
	w := read()
	require.Len(t, w.Channels, 1)
	c := w.Channels[0]
	require.Equal(t, wallet.StateOpen, c.State)
	require.Equal(t, charged, c.Owed, "%s: the wallet knows what the answers cost", name)
	require.LessOrEqual(t, c.Owed, c.Signed)
	require.Equal(t, before-c.Deposit, n.balance(name), "the deposit is in escrow, and no more than that")

	id := strconv.FormatUint(c.ID, 10)
	keys := append([]string{"--payer", name, "--wallet", file, "--output", "json"}, n.common(name)...)
	var ended []struct {
		Ends   uint64 `json:"ends"`
		Refund uint64 `json:"refund_nplx"`
	}
	require.NoError(t, json.Unmarshal(n.plexus(append([]string{"wallet", "close", id}, keys...)...), &ended))
	onChain, err := n.chain.Channel(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, onChain.End(), ended[0].Ends)
	n.until("the miner redeems what was signed", func(ctx context.Context) (bool, error) {
		now, err := n.chain.Channel(ctx, c.ID)
		return err == nil && now.Redeemed == c.Signed, err
	})
	n.until("the channel has ended", func(ctx context.Context) (bool, error) {
		height, err := n.chain.WaitHeight(ctx, 0)
		return err == nil && height+1 >= ended[0].Ends, err
	})
	require.NoError(t, json.Unmarshal(n.plexus(append([]string{"wallet", "collect", id}, keys...)...), &ended))
	require.Equal(t, c.Deposit-c.Signed, ended[0].Refund, "what was not signed for comes back")
	require.Equal(t, before-c.Signed, n.balance(name))
	w = read()
	require.Empty(t, w.Channels)
	require.Equal(t, c.Signed, w.Spent)
}

// drawOne draws the digit that is easiest to draw.
func drawOne(t *testing.T, path string) {
	img := image.NewGray(image.Rect(0, 0, 60, 100))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(26, 12, 36, 88), image.NewUniform(color.Black), image.Point{}, draw.Src)
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(file, img))
	require.NoError(t, file.Close())
}
