package oip

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/plexusnet/plexus/client/identity"
)

// CertificateValidity is how long an account vouches for a node key at a time; it does so anew after two thirds of it.
const CertificateValidity = 30 * 24 * time.Hour

// nodeIdentity is a node key with the certificate that is current.
type nodeIdentity struct {
	key     ed25519.PrivateKey
	chainID string
	account identity.Account
	cert    atomic.Pointer[tls.Certificate]
}

// NodeIdentity returns an identity that shows the account's certificate for the node key, and asks peers for theirs.
func NodeIdentity(key ed25519.PrivateKey, chainID string, account identity.Account) (Identity, error) {
	n := &nodeIdentity{key: key, chainID: chainID, account: account}
	if err := n.renew(); err != nil {
		return Identity{}, err
	}
	return Identity{node: n, chainID: chainID}, nil
}

func (n *nodeIdentity) renew() error {
	cert, err := identity.Certificate(n.key, n.chainID, n.account, time.Now().Add(CertificateValidity))
	if err != nil {
		return err
	}
	n.cert.Store(&cert)
	return nil
}

// current returns the certificate, renewed when it is about to end. A renewal that fails is tried again with the next
// connection; until the end of the old certificate nothing is lost.
func (n *nodeIdentity) current() *tls.Certificate {
	cert := n.cert.Load()
	if time.Until(cert.Leaf.NotAfter) < CertificateValidity/3 {
		_ = n.renew()
	}
	return n.cert.Load()
}

// NodeKey returns the key that signs receipts; nil where there is none.
func (i Identity) NodeKey() ed25519.PrivateKey {
	if i.node == nil {
		return nil
	}
	return i.node.key
}

// clientCertificate is what a dialler shows when it is asked.
func (i Identity) clientCertificate() func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if i.node == nil {
			return &tls.Certificate{}, nil
		}
		return i.node.current(), nil
	}
}

// AuthInfo says who is at the other end of a connection to a server with a node identity.
type AuthInfo struct {
	credentials.TLSInfo
	Shown bool          // a certificate was shown
	Peer  identity.Peer // valid when Err is nil and Shown is true
	Err   error         // why what was shown is refused
}

// Authenticate reads who a TLS peer is.
func (i Identity) Authenticate(certificates []*x509.Certificate) AuthInfo {
	return authenticate(certificates, i.chainID)
}

func authenticate(certificates []*x509.Certificate, chainID string) AuthInfo {
	if len(certificates) == 0 {
		return AuthInfo{}
	}
	peer, err := identity.Verify(certificates[0], chainID, time.Now())
	return AuthInfo{Shown: true, Peer: peer, Err: err}
}

// mutual authenticates each connection once, after its handshake.
type mutual struct {
	credentials.TransportCredentials
	chainID string
}

// ServerHandshake implements credentials.TransportCredentials.
func (m mutual) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := m.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	tlsInfo, ok := info.(credentials.TLSInfo)
	if !ok {
		conn.Close()
		return nil, nil, fmt.Errorf("%w: %T is no TLS", identity.ErrIdentity, info)
	}
	auth := authenticate(tlsInfo.State.PeerCertificates, m.chainID)
	auth.TLSInfo = tlsInfo
	return conn, auth, nil
}

// Clone implements credentials.TransportCredentials.
func (m mutual) Clone() credentials.TransportCredentials {
	return mutual{TransportCredentials: m.TransportCredentials.Clone(), chainID: m.chainID}
}
