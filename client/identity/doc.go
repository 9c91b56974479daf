// Package identity ties a connection to an account of the chain: docs/protocol.md section 8, identity.
//
// A node has an Ed25519 key of its own, kept in a file. The account vouches for it once, until a date:
//
//	key, err := identity.LoadOrCreateKey("node_identity.pem")
//	...
//	cert, err := identity.Certificate(key, chainID, account, time.Now().Add(30*24*time.Hour))
//
// The certificate is self-signed; both sides of a TLS 1.3 connection show theirs, which proves that they hold the node
// key, and its extension proves who lets the node speak for them:
//
//	peer, err := identity.Verify(state.PeerCertificates[0], chainID, time.Now())
//	peer.Address // of the account
//
// The extension (object identifier 2.25.1823064273) is a DER SEQUENCE of the chain id, the account's compressed
// secp256k1 public key, the expiry in Unix seconds and the signature. What is signed, with SHA-256 and ECDSA as the
// chain's accounts sign, is the domain tag "plexus/node-identity/v1", then the chain id, each preceded by its length as
// 16 bits, then the node's 32-byte public key, then the expiry as 64 bits, all big-endian.
//
// Whatever is missing or does not fit is an error that wraps ErrIdentity; there is no half-known peer.
package identity
