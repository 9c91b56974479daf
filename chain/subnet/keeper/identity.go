package keeper

import (
	"context"

	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// setIdentity stores what an account says of itself, or its owner of a subnet;
// an empty identity takes it back.
func (k *Keeper) setIdentity(ctx context.Context, msg *subnetv1.MsgSetIdentity) error {
	subject := msg.Account
	if msg.Netuid != 0 {
		if _, err := k.ownedBy(ctx, msg.Netuid, msg.Account); err != nil {
			return err
		}
		subject = subjectOf(msg.Netuid)
	}
	identity := identityOf(msg.Identity)
	emitEvent(ctx, "identity", attr("subject", subject), attr("name", identity.Name))
	if identity.IsEmpty() {
		return k.identities.Remove(ctx, subject)
	}
	if err := identity.Validate(); err != nil {
		return refuse(err)
	}
	return k.identities.Set(ctx, subject, msg.Identity)
}

func identityOf(i subnetv1.Identity) subnet.Identity {
	return subnet.Identity{Name: i.Name, URL: i.Url, Image: i.Image, Description: i.Description, Contact: i.Contact}
}
