// Package vectors runs scripts of epochs written as JSON: the format in which Yuma implementations exchange test
// vectors (see testdata beside package consensus for examples).
//
// A script has params, the state of a subnet, and ordered steps that change it: set_block, set_weights, put_weights,
// put_bonds, replace_neuron, add_stake, reset_bonds_for_uid, set_tempo, set_param and epoch. Every epoch step yields
// an Epoch with all outputs in the units that chains store.
//
//	script, err := vectors.Parse(file)
//	epochs, err := script.Run()
//	fmt.Println(epochs[0].Emission)
//
// A set_param step names any field of params, {"op":"set_param","name":"kappa_u16","value":0} or directly
// {"op":"set_param","kappa_u16":0}. The arrays of params (stakes, last_update, block_at_registration,
// commit_height, validator_permit, weights, bonds) can be set in the same way, so that a script can start from, or
// jump to, any state.
package vectors
