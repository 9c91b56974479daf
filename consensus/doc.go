// Package consensus computes the epoch of a subnet: Yuma consensus on 32.32 fixed point, bit for bit the same on
// every processor (docs/protocol.md section 5). It knows nothing of storage, networks, time or randomness: state in,
// result out.
//
//	var engine consensus.Engine // reuse it: after warm-up an epoch allocates nothing
//	out, err := engine.Epoch(&consensus.Input{
//		Params: consensus.DefaultParams(),
//		Height: 720, LastEpoch: consensus.LastEpoch(360, 360, 720), OwnerUID: -1,
//		Stake:  []uint64{600e9, 400e9, 0, 0}, LastUpdate: []uint64{700, 710, 0, 0},
//		Registered: []uint64{1, 2, 3, 4}, Permit: []bool{true, true, false, false},
//		Weights: []consensus.Row{{{2, 65535}, {3, 32768}}, {{2, 65535}, {3, 0}}, nil, nil},
//		Bonds:   make([]consensus.Row, 4),
//	})
//
// out.Incentive and out.ValidatorPayout() share out the miners' and validators' parts (Apportion does it in integers
// and loses nothing), out.Permit and out.Bonds are stored for the next epoch.
//
// Package fixed is the arithmetic, package reference the same epoch on float64, written for reading, package
// retention the map of what an honest majority needs, package vectors runs test vectors.
package consensus
