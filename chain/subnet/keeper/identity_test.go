package keeper_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/chain/subnet/keeper"
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
)

func TestSetIdentity(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	get := func(subject string) (subnetv1.Identity, error) {
		res, err := n.Subnet().Identity(context.Background(), &subnetv1.QueryIdentityRequest{Subject: subject})
		if err != nil {
			return subnetv1.Identity{}, err
		}
		return res.Identity, nil
	}
	whole := subnetv1.Identity{Name: "Æther 数字", Url: "https://example.org", Image: "https://example.org/a.png", Description: "Reads digits.", Contact: "@digits"}
	n.Must(alice, &subnetv1.MsgSetIdentity{Account: alice.String(), Identity: whole})
	n.Must(owner, &subnetv1.MsgSetIdentity{Account: owner.String(), Netuid: 1, Identity: subnetv1.Identity{Name: "Digits"}})
	got, err := get(alice.String())
	require.NoError(t, err)
	require.Equal(t, whole, got)
	got, err = get("1")
	require.NoError(t, err)
	require.Equal(t, "Digits", got.Name)

	n.Must(alice, &subnetv1.MsgSetIdentity{Account: alice.String()})
	_, err = get(alice.String())
	require.ErrorContains(t, err, "no identity")
	_, err = get("nonsense")
	require.ErrorContains(t, err, "no identity")
}

func TestSetIdentityRefusals(t *testing.T) {
	n := newTestnet(t, base()).withSubnet()
	for name, identity := range map[string]subnetv1.Identity{
		"no name":             {Url: "https://example.org"},
		"long name":           {Name: strings.Repeat("x", 65)},
		"long description":    {Name: "x", Description: strings.Repeat("x", 1025)},
		"control characters":  {Name: "x\x1b[2J"},
		"line break":          {Name: "x", Description: "a\nb"},
		"turned writing":      {Name: "abc\u202edef"},
		"not a link":          {Name: "x", Url: "example.org"},
		"a script for a link": {Name: "x", Image: "javascript:alert(1)"},
	} {
		t.Run(name, func(t *testing.T) {
			n.refuse(keeper.ErrInvalidIdentity, alice, &subnetv1.MsgSetIdentity{Account: alice.String(), Identity: identity})
		})
	}
	n.refuse(keeper.ErrUnauthorized, alice, &subnetv1.MsgSetIdentity{Account: alice.String(), Netuid: 1, Identity: subnetv1.Identity{Name: "x"}})
	n.refuse(keeper.ErrUnknownSubnet, owner, &subnetv1.MsgSetIdentity{Account: owner.String(), Netuid: 2, Identity: subnetv1.Identity{Name: "x"}})
}
