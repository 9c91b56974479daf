package external

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/plexusnet/plexus/client/oip"
	mechanismv1 "github.com/plexusnet/plexus/proto/plexus/mechanism/v1"
)

// TLS says how a program that is dialled is known, and how it knows the validator. The zero value is plaintext, which
// stays on this machine.
type TLS struct {
	CAFile  string // PEM file of authorities, one of which vouches for the host name of Address
	KeyHash []byte // or SHA-256 of the program's public key (SPKI, DER), for which nobody needs to vouch
	// CertFile and KeyFile are PEM files of what the validator shows, if the program asks: a program that others can reach
	// should.
	CertFile, KeyFile string
}

// session is a program for as long as it lives.
type session struct {
	client  mechanismv1.MechanismClient
	dead    <-chan struct{}  // closed when the program has ended; nil where nobody can know
	abandon func(why string) // ends a program that does not answer
}

// Programs come and go within moments.
var reconnect = grpc.ConnectParams{MinConnectTimeout: 3 * time.Second,
	Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond}}

// connect prepares a connection; it is opened by the first call. The caller closes it.
func connect(target string, creds credentials.TransportCredentials, o Options) (*grpc.ClientConn, error) {
	return grpc.NewClient(target, grpc.WithTransportCredentials(creds), grpc.WithConnectParams(reconnect),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(o.MaxMessageBytes), grpc.MaxCallSendMsgSize(o.MaxMessageBytes)),
		grpc.WithMaxHeaderListSize(16<<10), grpc.WithNoProxy(), grpc.WithDisableServiceConfig())
}

// dial prepares a connection to a program that runs.
func dial(o Options) (*grpc.ClientConn, error) {
	target, local := "passthrough:///"+o.Address, oip.Loopback(o.Address)
	if strings.HasPrefix(o.Address, "unix:") {
		target, local = o.Address, true
	}
	creds, err := o.TLS.credentials()
	if err != nil {
		return nil, err
	}
	if creds == nil && !local {
		return nil, fmt.Errorf("%w: %w: %s is another machine: give an authority's file or the hash of the program's key",
			ErrOptions, oip.ErrPlaintext, o.Address)
	}
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	conn, err := connect(target, creds, o)
	if err != nil {
		return nil, fmt.Errorf("%w: address %q: %w", ErrOptions, o.Address, err)
	}
	return conn, nil
}

// credentials returns nil for plaintext.
func (t TLS) credentials() (credentials.TransportCredentials, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	switch {
	case t.CAFile != "" && len(t.KeyHash) > 0:
		return nil, fmt.Errorf("%w: give either an authority's file or the hash of the program's key", ErrOptions)
	case t.CAFile != "":
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: authorities: %w", ErrOptions, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: authorities: %s holds no certificate in PEM", ErrOptions, t.CAFile)
		}
	case len(t.KeyHash) == 32:
		config.InsecureSkipVerify = true // the key itself is named
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if got := oip.KeyHash(state.PeerCertificates[0]); !bytes.Equal(got, t.KeyHash) {
				return fmt.Errorf("%w: want %x, got %x", oip.ErrIdentity, t.KeyHash, got)
			}
			return nil
		}
	case len(t.KeyHash) > 0:
		return nil, fmt.Errorf("%w: key hash of %d bytes: want a SHA-256 of 32", ErrOptions, len(t.KeyHash))
	case t.CertFile != "" || t.KeyFile != "":
		return nil, fmt.Errorf("%w: a certificate is shown over TLS only: give an authority's file or the hash of the program's key", ErrOptions)
	default:
		return nil, nil
	}
	if t.CertFile != "" || t.KeyFile != "" {
		shown, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %s with key %s: %w", ErrOptions, t.CertFile, t.KeyFile, err)
		}
		config.Certificates = []tls.Certificate{shown}
	}
	return credentials.NewTLS(config), nil
}
