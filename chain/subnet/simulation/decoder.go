package simulation

import (
	"bytes"
	"fmt"

	"cosmossdk.io/collections"
	collcodec "cosmossdk.io/collections/codec"

	"github.com/cosmos/cosmos-sdk/types/kv"
)

// NewDecoder returns a function that prints a pair of entries that differ
// between two stores of a schema, one of which may be absent.
func NewDecoder(schema collections.Schema) func(a, b kv.Pair) string {
	all := schema.ListCollections()
	return func(a, b kv.Pair) string {
		for _, c := range all {
			if bytes.HasPrefix(a.Key, c.GetPrefix()) {
				return fmt.Sprintf("%s %X\n  A: %s\n  B: %s\n", c.GetName(), a.Key, show(c.ValueCodec(), a.Value), show(c.ValueCodec(), b.Value))
			}
		}
		return fmt.Sprintf("no collection has key %X: A %X, B %X\n", a.Key, a.Value, b.Value)
	}
}

func show(codec collcodec.UntypedValueCodec, value []byte) string {
	if value == nil {
		return "absent"
	}
	v, err := codec.Decode(value)
	if err != nil {
		return fmt.Sprintf("%X (%v)", value, err)
	}
	text, err := codec.Stringify(v)
	if err != nil {
		return fmt.Sprintf("%X (%v)", value, err)
	}
	return text
}
