// Package subnet is the chain's module of subnets, neurons, weights and
// emission. The rules are those of the package of the same name at the root;
// the keeper below this folder stores the state and applies them.
package subnet
