package supervisor

import (
	"fmt"
	"net"
)

// FreePorts finds n different TCP ports on loopback that nobody listens on.
// They are free when it returns; nothing reserves them.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer lis.Close() // only at the end, so that all differ
		ports = append(ports, lis.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
