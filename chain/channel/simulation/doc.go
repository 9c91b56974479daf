// Package simulation lets the Cosmos SDK's simulator live on the channel module:
// random parameters with short delays, an operation for every message, and what
// must hold after every block. It works as the subnet module's simulation does,
// and beside it: channels are opened to the neurons that the other registers,
// swaps and removes.
//
// Everybody signs vouchers with a key that follows from the payer's address, so
// that an operation can spend from any channel. Some messages are wrong on
// purpose and must be refused: replays, forgeries, vouchers beyond the deposit,
// and closing what is somebody else's.
package simulation
