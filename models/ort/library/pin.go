package library

import (
	"errors"
	"fmt"
	"runtime"
)

// Version is the ONNX Runtime that Fetch brings and that Plexus is tested with. Any release from MinVersion on loads.
const (
	Version    = "1.27.0"
	MinVersion = "1.24.0"
)

const (
	npmPackage   = "onnxruntime-node@" + Version
	npmIntegrity = "QEzGwrvNBgv4uPVdnbHsOGG4G6T96mdlcFI8aAKPjMU8wOPpVocPXb6k3QGkaZagVTv2G9Bnnbo6Z3JdXr1fQw==" // SHA-512, base64
	fileName     = "libonnxruntime.so.1"
)

// What can go wrong while fetching.
var (
	ErrPlatform = errors.New("no pinned library for this platform")
	ErrNpm      = errors.New("npm is not available")
	ErrDownload = errors.New("download failed")
	ErrChecksum = errors.New("checksum differs")
)

// build is the library for one platform, as a file inside the npm package.
type build struct {
	entry  string // path inside the tarball
	size   int64  // bytes
	sha256 string // hex
}

var builds = map[string]build{
	"linux/amd64": {
		entry:  "package/bin/napi-v6/linux/x64/" + fileName,
		size:   38_023_776,
		sha256: "d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221",
	},
	"linux/arm64": {
		entry:  "package/bin/napi-v6/linux/arm64/" + fileName,
		size:   20_001_880,
		sha256: "c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f",
	},
}

// Platform names this machine as Fetch does, such as "linux/amd64".
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

func buildFor(platform string) (build, error) {
	b, ok := builds[platform]
	if !ok {
		return build{}, fmt.Errorf("%w: %s (there is one for linux/amd64 and linux/arm64); install ONNX Runtime %s or newer and name it with --%s or %s",
			ErrPlatform, platform, MinVersion, Flag, EnvVar)
	}
	return b, nil
}
