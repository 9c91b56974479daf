package subnetv1

import "encoding/binary"

// hotkeyDomain keeps what a hotkey signs here apart from everything else a key
// signs; no transaction starts like it.
const hotkeyDomain = "plexus/hotkey-claim/v1"

// HotkeyClaim returns what a hotkey signs to let a coldkey claim it on a chain:
// domain tag, chain id and coldkey, each behind its length as 16 bits,
// big-endian.
func HotkeyClaim(chainID, coldkey string) []byte {
	var message []byte
	for _, text := range []string{hotkeyDomain, chainID, coldkey} {
		message = append(binary.BigEndian.AppendUint16(message, uint16(len(text))), text...)
	}
	return message
}
