package wallet

import "errors"

var (
	// ErrNoFunds: the payer's account cannot pay for the channel. Send it coins.
	ErrNoFunds = errors.New("the payer's account has too little")
	// ErrOverBudget: the wallet may not put so much out. Raise its budget, or close channels that are not needed.
	ErrOverBudget = errors.New("over the wallet's budget")
	// ErrLimit: one call may cost more than a channel holds. Raise the deposit or lower the price limit.
	ErrLimit = errors.New("the call may cost more than a channel holds")
	// ErrDispute: the miner claims more than was agreed to. Nothing more is signed for it.
	ErrDispute = errors.New("the miner claims more than was agreed to")
	// ErrRefused: the miner wants more signed than it can be owed, or refuses what it was given.
	ErrRefused = errors.New("the miner refuses the payment")
	// ErrClosing: the channel is being closed; another is opened for the next call.
	ErrClosing = errors.New("the channel is closing")
	// ErrNoChannel: the wallet has no such channel.
	ErrNoChannel = errors.New("no such channel in this wallet")
	// ErrInUse: another process has the wallet open.
	ErrInUse = errors.New("the wallet is in use by another process")
	// ErrForeign: the file is of another key or chain.
	ErrForeign = errors.New("the wallet is of another key or chain")
	// ErrClosed: the wallet was closed.
	ErrClosed = errors.New("the wallet is closed")
	// ErrDry: the channel's deposit is used up. Reserve waits for it to be topped up.
	ErrDry = errors.New("the channel's deposit is used up")
)
