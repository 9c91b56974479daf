// Package cli holds the commands of the channel module that cannot be made from
// its protobuf services alone: transactions that read keys and vouchers, and
// queries that show tables. Queries print the chain's answer as JSON with
// --output json.
package cli
