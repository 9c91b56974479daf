package oip_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plexusnet/plexus/client/oip"
)

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "localhost:80": true, "127.0.0.1": true, "::1": true, "[::ffff:127.0.0.1]:80": true,
		"0.0.0.0:80": false, ":80": false, "10.0.0.1:80": false, "[::]:80": false, "example.org:80": false, "localhost.example.org:80": false, "": false,
	} {
		require.Equal(t, want, oip.Loopback(address), address)
	}
}

func TestDialRefusesPlaintextToOthers(t *testing.T) {
	_, err := oip.Dialer{}.Dial(oip.Endpoint{Address: "192.0.2.1:8500"})
	require.ErrorIs(t, err, oip.ErrPlaintext)
	require.ErrorContains(t, err, "--insecure")
	for name, dial := range map[string]func() error{
		"this machine": func() error { return dialed(oip.Dialer{}, oip.Endpoint{Address: "127.0.0.1:8500"}) },
		"allowed":      func() error { return dialed(oip.Dialer{Insecure: true}, oip.Endpoint{Address: "192.0.2.1:8500"}) },
		"TLS": func() error {
			return dialed(oip.Dialer{}, oip.Endpoint{Address: "192.0.2.1:8500", TLSKeyHash: make([]byte, 32)})
		},
	} {
		require.NoError(t, dial(), name)
	}
}

func dialed(d oip.Dialer, e oip.Endpoint) error {
	conn, err := d.Dial(e)
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestLoadIdentityNamesTheFiles(t *testing.T) {
	_, err := oip.LoadIdentity("no-such.pem", "no-such.key")
	require.ErrorContains(t, err, "no-such.pem")
	require.True(t, oip.Identity{}.Plaintext())
	require.Nil(t, oip.Identity{}.KeyHash())
}
