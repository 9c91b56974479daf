package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// Count is what became of the messages of one type.
type Count struct {
	Accepted int
	Refused  int // meant to be right, refused by a rule
	Wrong    int // meant to be refused, and refused
	Reasons  map[string]int
}

// Tally counts by type of message.
type Tally struct {
	Messages map[string]Count
}

// NewTally returns an empty tally.
func NewTally() *Tally { return &Tally{Messages: map[string]Count{}} }

// Count adds what became of one message: nil where it was accepted.
func (t *Tally) Count(msg sdk.Msg, wrong bool, refusal error) {
	name := sdk.MsgTypeURL(msg)
	name = name[strings.LastIndex(name, ".")+1:]
	c := t.Messages[name]
	if c.Reasons == nil {
		c.Reasons = map[string]int{}
	}
	switch {
	case refusal == nil:
		c.Accepted++
	case wrong:
		c.Wrong++
	default:
		c.Refused++
		codespace, code, _ := errorsmod.ABCIInfo(refusal, false)
		c.Reasons[fmt.Sprintf("%s/%d", codespace, code)]++
	}
	t.Messages[name] = c
}

// Add adds another tally to t.
func (t *Tally) Add(other *Tally) {
	for name, o := range other.Messages {
		c := t.Messages[name]
		c.Accepted, c.Refused, c.Wrong = c.Accepted+o.Accepted, c.Refused+o.Refused, c.Wrong+o.Wrong
		if c.Reasons == nil {
			c.Reasons = map[string]int{}
		}
		for reason, n := range o.Reasons {
			c.Reasons[reason] += n
		}
		t.Messages[name] = c
	}
}

// String is a table: for each type of message how many were accepted, how many
// refused though meant to be right, for which codes, and how many were wrong on
// purpose.
func (t *Tally) String() string {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "MESSAGE\tACCEPTED\tREFUSED\tWRONG\tREASONS")
	for _, name := range slices.Sorted(maps.Keys(t.Messages)) {
		c := t.Messages[name]
		reasons := slices.SortedFunc(maps.Keys(c.Reasons), func(a, b string) int {
			if d := c.Reasons[b] - c.Reasons[a]; d != 0 {
				return d
			}
			return strings.Compare(a, b)
		})
		for i, reason := range reasons {
			reasons[i] = fmt.Sprintf("%s %d", reason, c.Reasons[reason])
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", name, c.Accepted, c.Refused, c.Wrong, strings.Join(reasons, ", "))
	}
	_ = table.Flush() // writes to memory
	return b.String()
}
