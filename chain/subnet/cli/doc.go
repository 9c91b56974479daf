// Package cli holds the commands of the subnet module that cannot be made from
// its protobuf services alone: transactions that take lists or edit what the
// chain has, and queries that show tables. Queries print the chain's answer as
// JSON with --output json.
package cli
