// Package store keeps what a validator must not lose in one file (go.etcd.io/bbolt), in transactions: after a crash at
// any moment the file holds everything that was saved before, and nothing of what was half saved.
//
//	s, err := store.Open("validator.db") // mode 0600; one process at a time
//	book := s.Book(1, hotkey)            // what one hotkey knows of one subnet
//	scores := store.Kind[Score]{Name: "scores", Version: 1}
//	err = book.Update(func(tx *store.Tx) error { return scores.Put(tx, "7/plx1...", score) })
//	err = book.View(func(tx *store.Tx) error { return scores.Each(tx, "", func(key string, s Score) error { ... }) })
//
// A record is a version, a checksum and JSON. Who owns the records names their Kind and its version; a record of a newer
// version is refused, so that an older program does not misread it. Open reads every record once: a file that is damaged
// is refused with what to do, and not found out about in the middle of an epoch.
package store
