// Package ledger keeps what the keys of a gateway spent on what, and lets none spend more than its budget.
//
// Money is set aside before a call and settled after it, both in the ledger, so that a gateway that is killed in between
// knows of the call when it starts again:
//
//	book, err := ledger.Open("ledger", ledger.Options{})
//	hold, err := book.Begin(ledger.Account{KeyID: key.ID, Key: key.Name, Total: key.BudgetTotal, Day: key.BudgetDay}, limit, limit)
//	...                                  // ErrBudget: the call may not be made
//	err = hold.Settle(ledger.Entry{Netuid: 1, UID: 3, Charged: 120, Status: "OK", ...})
//
// A ledger is a folder of segments, lines of JSON with a checksum before each, to which is only ever added; when a
// segment is full the next one begins with all sums, so that old ones can go. What was written survives the end of the
// program at any moment; of a computer that loses power, it loses what was written in the last Options.Sync.
//
// A call whose outcome nobody knows, because the gateway was killed or the miner went away with the answer, has no
// charge but an uncertain sum, which is what it may have cost at most. Both count against a budget. What the wallet
// paid is therefore never less than all charges, and never more than charges and uncertain sums together.
//
// Each reads a ledger, also one that is being written:
//
//	err := ledger.Each("ledger", ledger.Filter{Key: "web"}, func(e ledger.Entry) error { ... })
package ledger
