package chainclient

import (
	"context"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

// ProveHotkey signs that a coldkey may claim the hotkey on the chain that the
// node serves: what messages want that name a hotkey which nobody has used.
func (c *Client) ProveHotkey(ctx context.Context, hotkey *Signer, coldkey string) (*subnetv1.HotkeyProof, error) {
	chainID, err := c.ChainID(ctx)
	if err != nil {
		return nil, err
	}
	signature, key, err := hotkey.SignBytes(subnetv1.HotkeyClaim(chainID, coldkey))
	return &subnetv1.HotkeyProof{PublicKey: key, Signature: signature}, err
}
