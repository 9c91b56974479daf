package apptest

import (
	errorsmod "cosmossdk.io/errors"
)

// Offer asks the instance with a mempool to take transactions in, which makes
// no block, and returns why each was refused, nil for those taken.
func (c *Chain) Offer(txs ...Tx) []error {
	c.t.Helper()
	refusals := make([]error, len(txs))
	for i, res := range c.check(c.sign(txs)) {
		if res.Code != 0 {
			refusals[i] = errorsmod.ABCIError(res.Codespace, res.Code, res.Log)
		}
	}
	return refusals
}
