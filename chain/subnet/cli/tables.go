package cli

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// plx writes an amount of nplx in whole tokens, without loss.
func plx(nplx uint64) string {
	s := fmt.Sprintf("%d.%09d", nplx/1e9, nplx%1e9)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + " PLX"
}

// u16 writes a fraction of 65535.
func u16(v uint32) string { return fmt.Sprintf("%.4f", float64(v)/math.MaxUint16) }

// percent writes a share of 1e9.
func percent(share uint64) string { return fmt.Sprintf("%.2f%%", float64(share)/1e7) }

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

func mark(is bool, word string) string {
	if is {
		return word
	}
	return ""
}

// at returns an element of a column, or the zero value where the column was not
// asked for.
func at[T any](column []T, i int) T {
	var zero T
	if i < len(column) {
		return column[i]
	}
	return zero
}

func dash(s string) string { return cmp.Or(s, "-") }

func showSubnets(w io.Writer, resp *subnetv1.QuerySubnetsResponse) {
	if len(resp.Subnets) == 0 {
		row(w, "There are no subnets yet. Open one with: plexus tx subnet create NAME")
		return
	}
	row(w, "NETUID", "NAME", "NEURONS", "SHARE", "BY DEMAND", "PER BLOCK", "PENDING", "REGISTRATION", "NEXT EPOCH", "OWNER")
	for _, s := range resp.Subnets {
		row(w, s.Subnet.Netuid, s.Subnet.Name, neurons(s.Subnet), percent(s.Share), percent(s.DemandShare), plx(s.Emission),
			plx(s.Pending), plx(s.RegistrationPrice), s.NextEpoch, s.Subnet.Owner)
	}
}

// neurons writes how many uids have a neuron, of how many there may be.
func neurons(s subnetv1.Subnet) string {
	return fmt.Sprintf("%d/%d", s.Neurons-s.Vacant, s.Hyperparams.MaxUids)
}

func showSubnet(w io.Writer, resp *subnetv1.QuerySubnetResponse) {
	i := resp.Subnet
	s := i.Subnet
	pair(w, "netuid", s.Netuid)
	pair(w, "name", s.Name)
	pair(w, "owner", s.Owner)
	pair(w, "owner hotkey", dash(s.OwnerHotkey))
	pair(w, "opened at height", s.Created)
	pair(w, "neurons", neurons(s))
	pair(w, "lock", plx(s.Lock))
	pair(w, "registration price", plx(i.RegistrationPrice))
	pair(w, "share of the block reward", percent(i.Share))
	pair(w, "- by root weights", percent(i.RootShare))
	pair(w, "- by demand", percent(i.DemandShare))
	pair(w, "emission per block", plx(i.Emission))
	pair(w, "- by root weights", plx(i.RootEmission))
	pair(w, "- by demand", plx(i.DemandEmission))
	pair(w, "burned by callers per block", plx(i.BurnedPerBlock))
	pair(w, "pending", plx(i.Pending))
	pair(w, "epochs run", s.Epochs)
	pair(w, "last epoch", s.LastEpoch)
	pair(w, "next epoch", i.NextEpoch)
	pair(w, "paid to the owner", plx(s.Ledger.OwnerPaid))
	pair(w, "paid to miners", plx(s.Ledger.MinersPaid))
	pair(w, "paid to validators", plx(s.Ledger.ValidatorsPaid))
	pair(w, "burned, unearned", plx(s.Ledger.Burned))
	pair(w, "burned by registrations", plx(s.Ledger.Registrations))
	row(w)
	row(w, "HYPERPARAMETER", "VALUE")
	showHyperparams(w, s.Hyperparams)
}

// showHyperparams lists the names that set-hyperparams takes.
func showHyperparams(w io.Writer, h subnetv1.Hyperparams) { showFields(w, h) }

// showFields lists the plain fields of a message under the names that its JSON
// has, in its order. What lies within messages is left to the caller.
func showFields(w io.Writer, message any) {
	v := reflect.ValueOf(message)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if v.Field(i).Kind() != reflect.Struct {
			pair(w, name, v.Field(i).Interface())
		}
	}
}

func showMetagraph(w io.Writer, m *subnetv1.QueryMetagraphResponse) {
	fmt.Fprintf(w, "subnet %d at height %d, last epoch %d, next %d\n", m.Netuid, m.Height, m.LastEpoch, m.NextEpoch)
	columns := metagraphColumns(m)
	columns = slices.DeleteFunc(columns, func(c metagraphColumn) bool { return c.length == 0 })
	if len(columns) == 0 {
		row(w, "no neuron is registered")
		return
	}
	heads, length := []any{"UID"}, 0
	for _, c := range columns {
		heads, length = append(heads, c.head), max(length, c.length)
	}
	row(w, heads...)
	for uid := range length {
		cells := []any{uid}
		for _, c := range columns {
			cells = append(cells, c.cell(uid))
		}
		row(w, cells...)
	}
}

type metagraphColumn struct {
	head   string
	length int
	cell   func(uid int) string
}

func metagraphColumns(m *subnetv1.QueryMetagraphResponse) []metagraphColumn {
	number := func(v []uint64) func(int) string {
		return func(uid int) string { return strconv.FormatUint(at(v, uid), 10) }
	}
	amount := func(v []uint64) func(int) string { return func(uid int) string { return plx(at(v, uid)) } }
	fraction := func(v []uint32) func(int) string { return func(uid int) string { return u16(at(v, uid)) } }
	is := func(v []bool, word string) func(int) string {
		return func(uid int) string { return mark(at(v, uid), word) }
	}
	return []metagraphColumn{
		{"HOTKEY", len(m.Hotkeys), func(uid int) string { return cmp.Or(at(m.Hotkeys, uid), "(vacant)") }},
		{"COLDKEY", len(m.Coldkeys), func(uid int) string { return dash(at(m.Coldkeys, uid)) }},
		{"STAKE", len(m.Stake), amount(m.Stake)},
		{"INCENTIVE", len(m.Incentive), fraction(m.Incentive)},
		{"DIVIDENDS", len(m.Dividends), fraction(m.Dividends)},
		{"CONSENSUS", len(m.Consensus), fraction(m.Consensus)},
		{"TRUST", len(m.Trust), fraction(m.Trust)},
		{"VTRUST", len(m.ValidatorTrust), fraction(m.ValidatorTrust)},
		{"EMISSION", len(m.Emission), amount(m.Emission)},
		{"PERMIT", len(m.Permit), is(m.Permit, "permit")},
		{"ACTIVE", len(m.Active), is(m.Active, "active")},
		{"IMMUNE", len(m.Immune), is(m.Immune, "immune")},
		{"REGISTERED", len(m.Registered), number(m.Registered)},
		{"UPDATED", len(m.Updated), number(m.Updated)},
		{"MODEL", len(m.Endpoints), func(uid int) string { return dash(at(m.Endpoints, uid).Model) }},
		{"ENDPOINT", len(m.Endpoints), func(uid int) string { return address(at(m.Endpoints, uid)) }},
	}
}

func address(e subnetv1.Endpoint) string {
	if e.Port == 0 {
		return "-"
	}
	return net.JoinHostPort(e.Host, strconv.FormatUint(uint64(e.Port), 10))
}

func showNeuron(w io.Writer, n *subnetv1.QueryNeuronResponse) {
	pair(w, "uid", n.Neuron.Uid)
	pair(w, "hotkey", n.Neuron.Hotkey)
	pair(w, "coldkey", n.Neuron.Coldkey)
	pair(w, "registered at height", n.Neuron.Registered)
	pair(w, "stake", plx(n.Stake))
	pair(w, "emission, last epoch", plx(n.Emission))
	pair(w, "validator permit", yes(n.Permit))
	pair(w, "weights set at height", never(n.Updated))
	pair(w, "may set weights", when(n.BlocksUntilWeights))
	pair(w, "may announce an endpoint", when(n.BlocksUntilServe))
	if e := n.Neuron.Endpoint; e != nil {
		pair(w, "endpoint", address(*e)+" ("+e.Protocol+")")
		pair(w, "model", e.Model)
		pair(w, "model SHA-256", fmt.Sprintf("%x", e.ModelSha256))
		pair(w, "price per request", plx(e.Price))
		pair(w, "price per KiB of input", plx(e.PriceInputKib))
		pair(w, "price per KiB of output", plx(e.PriceOutputKib))
		pair(w, "price per second of compute", plx(e.PriceComputeSecond))
	}
}

func yes(is bool) string { return cmp.Or(mark(is, "yes"), "no") }

func never(height uint64) string {
	if height == 0 {
		return "never"
	}
	return strconv.FormatUint(height, 10)
}

func when(blocks uint64) string {
	if blocks == 0 {
		return "now"
	}
	return fmt.Sprintf("in %d blocks", blocks)
}

func showWeights(w io.Writer, resp *subnetv1.QueryWeightsResponse) {
	if len(resp.Rows) == 0 {
		row(w, "nobody has set weights yet")
		return
	}
	row(w, "UID", "SET AT", "WEIGHTS (uid:share of the row)")
	for _, r := range resp.Rows {
		row(w, r.Uid, r.Updated, shares(r.Uids, r.Values))
	}
}

// showBonds writes bonds as they are: fractions of what one validator can hold
// of one neuron, which need not sum to anything.
func showBonds(w io.Writer, resp *subnetv1.QueryBondsResponse) {
	if len(resp.Rows) == 0 {
		row(w, "nobody has bonds yet: they follow from weights at the next epoch")
		return
	}
	row(w, "UID", "CHANGED AT", "BONDS (uid:strength)")
	for _, r := range resp.Rows {
		row(w, r.Uid, r.Updated, strengths(r.Uids, r.Values))
	}
}

// strengths writes the fractions of 65535 that are not 0.
func strengths(targets, values []uint32) string {
	var words []string
	for i, target := range targets {
		if v := at(values, i); v > 0 {
			words = append(words, fmt.Sprintf("%d:%s", target, u16(v)))
		}
	}
	return dash(strings.Join(words, " "))
}

func showCommits(w io.Writer, resp *subnetv1.QueryCommitsResponse) {
	if len(resp.Commits) == 0 {
		row(w, "no weights were committed, or they are settled so long that they are forgotten")
		return
	}
	row(w, "ID", "UID", "HOTKEY", "MADE AT", "EPOCH", "OPENS IN EPOCH", "BY", "STATUS", "SETTLED AT", "REASON")
	for _, c := range resp.Commits {
		row(w, c.Id, c.Uid, c.Hotkey, c.Height, c.Epoch, c.Due, opener(c), status(c.Status), never(c.Settled), dash(c.Reason))
	}
}

// opener writes what opens a commit.
func opener(c subnetv1.Commit) string {
	if c.Round == 0 {
		return "its author"
	}
	return fmt.Sprintf("round %d", c.Round)
}

// status writes what became of a commit, in one word.
func status(s subnetv1.CommitStatus) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "COMMIT_STATUS_"))
}

func showPulse(w io.Writer, resp *subnetv1.QueryPulseResponse) {
	showBeacon(w, resp.Beacon)
	if resp.Last.Round == 0 {
		pair(w, "last round here", "none yet")
	} else {
		pair(w, "last round here", fmt.Sprintf("%d, at height %d", resp.Last.Round, resp.Last.Height))
		pair(w, "its signature", fmt.Sprintf("%x", resp.Last.Signature))
	}
	pair(w, "commits waiting", resp.Waiting)
	pair(w, "rounds awaited", dash(strings.Trim(fmt.Sprint(resp.Rounds), "[]")))
}

func showBeacon(w io.Writer, b subnetv1.Beacon) {
	if len(b.PublicKey) == 0 {
		pair(w, "beacon", "none: weights cannot be hidden by timelock")
		return
	}
	pair(w, "beacon's public key", fmt.Sprintf("%x", b.PublicKey))
	pair(w, "first round at", time.Unix(b.GenesisTime, 0).UTC().Format(time.RFC3339))
	pair(w, "a round every", fmt.Sprintf("%d s", b.PeriodSeconds))
}

// showIdentity lists what is said, none of which anybody has verified.
func showIdentity(w io.Writer, resp *subnetv1.QueryIdentityResponse) {
	v := reflect.ValueOf(resp.Identity)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		pair(w, name, dash(v.Field(i).String()))
	}
}

func showParams(w io.Writer, resp *subnetv1.QueryParamsResponse) {
	row(w, "PARAMETER", "VALUE")
	showFields(w, resp.Params)
	row(w)
	showBeacon(w, resp.Params.Beacon)
	row(w)
	row(w, "HYPERPARAMETER OF NEW SUBNETS", "VALUE")
	showHyperparams(w, resp.Params.Defaults)
}

// shares writes a row of weights as fractions of their sum.
func shares(targets, values []uint32) string {
	sum := uint64(0)
	for _, v := range values {
		sum += uint64(v)
	}
	if sum == 0 {
		return "-"
	}
	var words []string
	for i, target := range targets {
		if v := at(values, i); v > 0 {
			words = append(words, fmt.Sprintf("%d:%.4f", target, float64(v)/float64(sum)))
		}
	}
	return strings.Join(words, " ")
}

func showHistory(w io.Writer, resp *subnetv1.QueryHistoryResponse) {
	pair(w, "hotkey", cmp.Or(resp.Hotkey, "(vacant)"))
	if len(resp.Entries) == 0 {
		row(w, "no epoch since it was registered")
		return
	}
	row(w, "EPOCH AT", "INCENTIVE", "DIVIDENDS", "CONSENSUS", "TRUST", "VTRUST", "EMISSION")
	for _, e := range resp.Entries {
		row(w, e.Height, u16(e.Incentive), u16(e.Dividends), u16(e.Consensus), u16(e.Trust), u16(e.ValidatorTrust), plx(e.Emission))
	}
}

func showPositions(w io.Writer, resp *subnetv1.QueryPositionsResponse) {
	if len(resp.Subnets) > 0 {
		row(w, "owns subnets: "+strings.Trim(fmt.Sprint(resp.Subnets), "[]"))
	}
	if len(resp.Positions) == 0 {
		row(w, "has no neurons")
		return
	}
	row(w, "NETUID", "UID", "HOTKEY", "STAKE", "INCENTIVE", "DIVIDENDS", "EMISSION", "PERMIT")
	for _, p := range resp.Positions {
		row(w, p.Netuid, p.Neuron.Uid, p.Neuron.Hotkey, plx(p.Stake), u16(p.Incentive), u16(p.Dividends), plx(p.Emission), mark(p.Permit, "permit"))
	}
}

func showRootWeights(w io.Writer, resp *subnetv1.QueryRootWeightsResponse) {
	row(w, "NETUID", "SHARE")
	for i, netuid := range resp.Netuids {
		row(w, netuid, percent(at(resp.Shares, i)))
	}
	row(w)
	if len(resp.Votes) == 0 {
		row(w, "nobody has voted: all subnets share alike")
		return
	}
	row(w, "HOTKEY", "STAKE", "SET AT", "WEIGHTS (netuid:share of the row)")
	for _, v := range resp.Votes {
		row(w, v.Hotkey, plx(v.Stake), v.Updated, shares(v.Netuids, v.Values))
	}
}

func showEmission(w io.Writer, e *subnetv1.QueryEmissionResponse) {
	pair(w, "height", e.Height)
	pair(w, "supply", plx(e.Supply))
	pair(w, "cap", plx(e.Cap))
	pair(w, "reward of the next block", plx(e.BlockReward))
	pair(w, "next halving at a supply of", plx(e.NextHalving))
	pair(w, "minted since genesis", plx(e.Totals.Minted))
	pair(w, "burned since genesis", plx(e.Totals.Burned))
	pair(w, "pending until epochs", plx(e.Pending))
	pair(w, "streaming to validators", plx(e.Streaming))
	pair(w, "emission account", plx(e.EmissionAccount)+agrees(e.EmissionAccount, e.Pending+e.Streaming))
	pair(w, "locked by subnets", plx(e.Locked))
	pair(w, "lock account", plx(e.LockAccount)+agrees(e.LockAccount, e.Locked))
}

func agrees(has, owes uint64) string {
	if has == owes {
		return " (agrees)"
	}
	return fmt.Sprintf(" (WRONG: %s are owed; report this)", plx(owes))
}
