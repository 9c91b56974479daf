// Package fixed is the arithmetic of Yuma consensus: signed 32.32 fixed point held in an int64.
//
// Every processor gives the same bits: there is no float, no 128-bit type and no rounding mode, only integers and
// math/bits. The rules are those of docs/protocol.md section 5:
//
//   - Add and Sub saturate at Max and Min.
//
//   - Mul takes the 128-bit product, shifts it right arithmetically by 32 (a floor) and saturates.
//
//   - Div truncates toward zero and saturates; a division by zero is zero.
//
//   - Exp is the Taylor series up to the 31st power, each term floored, as Bittensor's chain computes it.
//
//     half := fixed.One.Div(fixed.FromInt(2))
//     half.Mul(half).String() // "0.25"
package fixed
