package audio

import (
	"encoding/binary"
	"fmt"
	"io"
)

// wavHeader is what a WAV file of plain samples starts with.
type wavHeader struct {
	RIFF         [4]byte
	Rest         uint32 // bytes after this field
	WAVE, Format [4]byte
	FormatSize   uint32
	PCM          uint16 // 1: not compressed
	Channels     uint16
	Rate         uint32
	ByteRate     uint32
	Frame        uint16 // bytes of a sample of all channels
	Bits         uint16
	Data         [4]byte
	DataSize     uint32
}

// WriteWAV writes samples as a WAV file: 16-bit PCM, one channel, Rate samples per second.
func WriteWAV(w io.Writer, samples []int16) error {
	const sampleSize, afterRest, formatSize = 2, 36, 16
	size := uint32(len(samples) * sampleSize)
	header := wavHeader{
		RIFF: [4]byte([]byte("RIFF")), Rest: afterRest + size, WAVE: [4]byte([]byte("WAVE")),
		Format: [4]byte([]byte("fmt ")), FormatSize: formatSize, PCM: 1, Channels: 1,
		Rate: Rate, ByteRate: Rate * sampleSize, Frame: sampleSize, Bits: 8 * sampleSize,
		Data: [4]byte([]byte("data")), DataSize: size,
	}
	for _, part := range []any{header, samples} {
		if err := binary.Write(w, binary.LittleEndian, part); err != nil {
			return fmt.Errorf("write a recording: %w", err)
		}
	}
	return nil
}
