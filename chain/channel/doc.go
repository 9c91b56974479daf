// Package channel is the chain's module of payment channels. The rules are
// those of package payment at the root; the keeper below this folder stores the
// state, applies them and moves the money.
package channel
