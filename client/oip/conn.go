package oip

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Protocol is the name under which a miner announces this protocol on the chain.
const Protocol = "oip-v2-grpc"

// DefaultMaxMessageBytes bounds one message, either way, where nothing else is configured.
const DefaultMaxMessageBytes = 16 << 20

var (
	// ErrPlaintext is returned where a connection that leaves this machine would not be encrypted.
	ErrPlaintext = errors.New("plaintext connection beyond this machine")
	// ErrIdentity is returned where a server's key is not the one that it announced.
	ErrIdentity = errors.New("server key is not the announced one")
)

// Endpoint is where a miner answers. TLSKeyHash is the SHA-256 of the server's public key (SPKI, DER); empty means
// plaintext.
type Endpoint struct {
	Address    string // host:port
	TLSKeyHash []byte
}

// Dialer opens connections to miners. The zero value is useful.
type Dialer struct {
	// Insecure allows plaintext to other machines.
	Insecure bool
	// Identity is shown to miners that announce a TLS key; the zero value shows nothing.
	Identity Identity
	// MaxMessageBytes bounds a response; DefaultMaxMessageBytes when 0.
	MaxMessageBytes int
}

// Dial prepares a connection; it is opened by the first call and again whenever it breaks. The caller closes it.
func (d Dialer) Dial(e Endpoint) (*grpc.ClientConn, error) {
	creds, err := d.credentials(e)
	if err != nil {
		return nil, err
	}
	limit := d.MaxMessageBytes
	if limit <= 0 {
		limit = DefaultMaxMessageBytes
	}
	conn, err := grpc.NewClient("passthrough:///"+e.Address,
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(limit), grpc.MaxCallSendMsgSize(limit), grpc.ForceCodecV2(NewCodec())),
		// Enough for an answer of a few images in one go. A window that adapts would be probed with pings all the time.
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(4*window),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 3 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDisableServiceConfig(), // a miner's name server has no say in how it is called
	)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", e.Address, err)
	}
	return conn, nil
}

const window = 256 << 10

// A miner that comes back is found again within seconds.
var reconnect = backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second}

func (d Dialer) credentials(e Endpoint) (credentials.TransportCredentials, error) {
	if len(e.TLSKeyHash) == 0 {
		if d.Insecure || Loopback(e.Address) {
			return insecure.NewCredentials(), nil
		}
		return nil, fmt.Errorf("%w: %s announces no TLS key; allow it with --insecure", ErrPlaintext, e.Address)
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetClientCertificate: d.Identity.clientCertificate(),
		// The chain names the key, so no authority vouches for it and no host name is compared.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			got := KeyHash(state.PeerCertificates[0])
			if !bytes.Equal(got, e.TLSKeyHash) {
				return fmt.Errorf("%w: %s announced %x, answered with %x", ErrIdentity, e.Address, e.TLSKeyHash, got)
			}
			return nil
		},
	}), nil
}

// KeyHash returns the SHA-256 of a certificate's public key (SPKI, DER), as announced on the chain.
func KeyHash(cert *x509.Certificate) []byte {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return sum[:]
}

// Identity is what one side of a connection shows to the other. The zero value is plaintext.
type Identity struct {
	cert    *tls.Certificate // plain TLS
	node    *nodeIdentity    // mutual TLS: docs/protocol.md section 8
	chainID string
}

// LoadIdentity reads a certificate and its private key from PEM files.
func LoadIdentity(certFile, keyFile string) (Identity, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return Identity{}, fmt.Errorf("TLS certificate %s with key %s: %w", certFile, keyFile, err)
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return Identity{}, fmt.Errorf("TLS certificate %s: %w", certFile, err)
		}
	}
	return Identity{cert: &cert}, nil
}

// Plaintext reports whether nothing is encrypted.
func (i Identity) Plaintext() bool { return i.cert == nil && i.node == nil }

// Mutual reports whether peers are asked who they are.
func (i Identity) Mutual() bool { return i.node != nil }

// KeyHash returns what to announce; nil for plaintext.
func (i Identity) KeyHash() []byte {
	switch {
	case i.node != nil:
		return KeyHash(i.node.current().Leaf)
	case i.cert != nil:
		return KeyHash(i.cert.Leaf)
	default:
		return nil
	}
}

// Credentials returns the server's side of a connection.
func (i Identity) Credentials() credentials.TransportCredentials {
	switch {
	case i.Plaintext():
		return insecure.NewCredentials()
	case i.Mutual():
		return mutual{TransportCredentials: credentials.NewTLS(i.TLS()), chainID: i.chainID}
	default:
		return credentials.NewTLS(i.TLS())
	}
}

// TLS returns the server's side of a connection for other protocols; nil for plaintext.
func (i Identity) TLS() *tls.Config {
	switch {
	case i.node != nil:
		return &tls.Config{
			MinVersion:     tls.VersionTLS13,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return i.node.current(), nil },
			// A peer without a certificate, or with a bad one, is told so in the protocol's own terms, not by a broken
			// connection; the account in it is checked after the handshake, which proves that the peer holds its key.
			ClientAuth:             tls.RequestClientCert,
			SessionTicketsDisabled: true, // each connection is authenticated
		}
	case i.cert != nil:
		return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*i.cert}}
	default:
		return nil
	}
}

// Loopback reports whether host:port (or a bare host) is this machine and no other, without asking a name server.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
