// Package sealing is what a commit of weights hides: the record that a
// validator makes and the chain opens, its hash, its encryption and the beacon
// round to choose. Both sides use it, so that they agree on every byte.
//
// A validator of a subnet with timelocked weights:
//
//	sealed, err := sealing.New(chainID, info.Subnet, hotkey, uids, values)
//	round, err := sealing.Round(params.Beacon, info, sealing.Tip{Height: h, Unix: t, BlockNanos: pace})
//	ciphertext, err := sealing.Encrypt(params.Beacon, round, sealed)
//	// MsgCommitWeights{hotkey, netuid, round, ciphertext, sealed.Epoch}
//
// With hashed weights it sends sealing.Hash(sealed), keeps sealed, and opens it
// in the epoch in which it is due. Package chainclient does all of this in one
// call.
package sealing
