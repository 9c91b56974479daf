//go:build paid

package paid

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/plexusnet/plexus/chain/localnet/supervisor"
)

// gatewayKillEvery is how long a gateway lives.
const gatewayKillEvery = 15 * time.Second

// relay is a gateway that pays out of the same kind of wallet, is killed again and again, and has one who calls it.
type relay struct {
	answered, kills    int
	charged, uncertain uint64 // nplx, by its ledger
}

// run starts the gateway and calls it until ctx ends; then it stops it and reads its ledger.
func (r *relay) run(ctx context.Context, n *network) {
	ports, err := supervisor.FreePorts(1)
	if !assert.NoError(n.t, err) {
		return
	}
	args := append([]string{"gateway", "start", "--netuid", strconv.Itoa(netuid), "--open", "--listen", fmt.Sprintf("127.0.0.1:%d", ports[0]), "--metrics", "",
		"--payer", gatewayer, "--wallet", filepath.Join(n.dir, gatewayer, "wallet.db"), "--budget", "100plx", "--deposit", "0.003plx", "--step", "0.0002plx",
		"--max-price", "0.00005plx", "--among", strconv.Itoa(n.plan.miners), "--pay", "always"}, n.common(gatewayer)...)
	for ctx.Err() == nil {
		g, err := n.begin("gateway", args...)
		if !assert.NoError(n.t, err) {
			return
		}
		life, end := context.WithTimeout(ctx, gatewayKillEvery)
		r.ask(life, ports[0])
		end()
		if ctx.Err() == nil {
			g.kill()
			r.kills++
		} else {
			assert.NoError(n.t, g.stop())
		}
	}
	r.read(n)
}

// ask makes requests, one after the other; while the gateway is down nobody answers.
func (r *relay) ask(ctx context.Context, port int) {
	url := fmt.Sprintf("http://127.0.0.1:%d/v2/models/subnet-%d/infer", port, netuid)
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, url, bytes.NewReader(question()))
		if err != nil {
			return
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			r.answered++
		}
		time.Sleep(5 * time.Millisecond) // the callers are to have the machine
	}
}

// read adds up the ledger.
func (r *relay) read(n *network) {
	var calls []struct {
		Charged   uint64 `json:"charged_nplx"`
		Uncertain uint64 `json:"uncertain_nplx"`
	}
	out := n.plexus("gateway", "ledger", "export", "--home", filepath.Join(n.dir, gatewayer), "--output", "json")
	if !assert.NoError(n.t, json.Unmarshal(out, &calls)) {
		return
	}
	for _, c := range calls {
		r.charged += c.Charged
		r.uncertain += c.Uncertain
	}
}
