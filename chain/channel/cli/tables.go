package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/plexusnet/plexus/payment"
	channelv1 "github.com/plexusnet/plexus/proto/plexus/channel/v1"
)

// plx writes an amount of nplx in whole tokens, without loss.
func plx(nplx uint64) string {
	s := fmt.Sprintf("%d.%09d", nplx/1e9, nplx%1e9)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " PLX"
}

// row writes the cells of a table's line.
func row(w io.Writer, cells ...any) {
	words := make([]string, len(cells))
	for i, cell := range cells {
		words[i] = fmt.Sprint(cell)
	}
	fmt.Fprintln(w, strings.Join(words, "\t"))
}

// pair writes a name and a value.
func pair(w io.Writer, name string, value any) { row(w, name, value) }

// state says in a word where a channel stands at a height.
func state(c payment.Channel, height uint64) string {
	switch {
	case height >= c.End():
		return "ended"
	case c.ClosesAt != 0:
		return "closing"
	default:
		return "open"
	}
}

func showChannels(w io.Writer, resp *channelv1.QueryChannelsResponse) {
	if len(resp.Channels) == 0 {
		row(w, "There is no such channel. Open one with: plexus tx channel open NETUID HOTKEY DEPOSIT")
		return
	}
	row(w, "CHANNEL", "NETUID", "HOTKEY", "PAYER", "DEPOSIT", "REDEEMED", "LEFT", "STATE", "ENDS AT")
	for i := range resp.Channels {
		c := &resp.Channels[i]
		rules := c.Rules()
		row(w, c.Id, c.Netuid, c.Hotkey, c.Payer, plx(c.Deposit), plx(c.Redeemed), plx(rules.Left()), state(rules, resp.Height), rules.End())
	}
	if resp.Pagination != nil && len(resp.Pagination.NextKey) > 0 {
		row(w, "There are more: raise --limit, or pass over these with --offset")
	}
}

func showChannel(w io.Writer, resp *channelv1.QueryChannelResponse) {
	c := &resp.Channel
	rules := c.Rules()
	pair(w, "channel", c.Id)
	pair(w, "state", fmt.Sprintf("%s at height %d", state(rules, resp.Height), resp.Height))
	pair(w, "ends at height", resp.End)
	pair(w, "payer", c.Payer)
	pair(w, "payee", c.Payee)
	pair(w, "hotkey", fmt.Sprintf("%s in subnet %d", c.Hotkey, c.Netuid))
	pair(w, "voucher key", hex.EncodeToString(c.VoucherKey))
	pair(w, "deposit", plx(c.Deposit))
	pair(w, "redeemed", plx(c.Redeemed))
	pair(w, "left", plx(rules.Left()))
	pair(w, "opened at height", c.Opened)
	pair(w, "blocks after the payer closes", c.CloseDelay)
	pair(w, "lanes used", fmt.Sprintf("%d of %d", len(c.Lanes), c.MaxLanes))
	if len(c.Lanes) == 0 {
		return
	}
	row(w)
	row(w, "LANE", "NONCE", "REDEEMED")
	for _, l := range c.Lanes {
		row(w, l.Id, l.Nonce, plx(l.Redeemed))
	}
}

func showDemand(w io.Writer, resp *channelv1.QueryDemandResponse) {
	d := resp.Demand
	pair(w, "vouchers redeemed", d.Total.Vouchers)
	pair(w, "redeemed", plx(d.Total.Redeemed))
	pair(w, "of it burned", plx(d.Total.Burned))
	pair(w, "window", fmt.Sprintf("%d blocks from height %d", d.WindowBlocks, d.WindowStart))
	pair(w, "redeemed in this window", plx(d.WindowRedeemed))
	pair(w, "burned in this window", plx(d.WindowBurned))
	pair(w, "burned per window, smoothed", plx(d.SmoothedBurned))
}

func showTotals(w io.Writer, resp *channelv1.QueryTotalsResponse) {
	t := resp.Totals
	pair(w, "height", resp.Height)
	pair(w, "channels opened", t.Opened)
	pair(w, "channels collected", t.Collected)
	pair(w, "channels there are", resp.Open)
	pair(w, "in channels", plx(t.Escrowed))
	pair(w, "held by the escrow account", plx(resp.EscrowAccount))
	pair(w, "redeemed", plx(t.Redeemed))
	pair(w, "of it burned", plx(t.Burned))
}

// showParams lists the parameters under the names that their JSON has.
func showParams(w io.Writer, resp *channelv1.QueryParamsResponse) {
	row(w, "PARAMETER", "VALUE")
	v := reflect.ValueOf(resp.Params)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		pair(w, name, v.Field(i).Interface())
	}
}
