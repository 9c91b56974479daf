// Package keys keeps the API keys of a gateway in one file: who may call which models, how often, and for how much.
//
// A key is shown once, when it is made; the file holds its SHA-256 only. The file is replaced as a whole by whoever
// changes it, under a lock, and looked at again by whoever reads it, so that a key that is revoked is refused at once by
// a gateway that runs:
//
//	file := keys.Open("keys.json", keys.Options{})
//	secret, key, err := file.Create(keys.Key{Name: "web", Subnets: []uint32{1}, BudgetDay: 5e9})
//	...
//	key, err = file.Authenticate(secret, time.Now()) // ErrUnknown, ErrRevoked, ErrExpired
//	key, err = file.Revoke("web", time.Now())
//
// A secret holds 256 random bits, which nobody guesses, so that one hash is enough to keep it.
package keys
