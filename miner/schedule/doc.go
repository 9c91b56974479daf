// Package schedule decides which waiting request runs next on a device that runs a few at a time.
//
//	queue := schedule.New(schedule.Options{Slots: 4, Queue: 256})
//	...
//	place, err := queue.Enter(ctx, schedule.Request{Caller: "plexus1…", Weight: 3, Bytes: 3136})
//	if err != nil {
//		return err // a *FullError says when to try again; or the context ended
//	}
//	defer place.Leave()
//	... run the model ...
//
// Who is next: the queue is start-time fair. Each caller has its own clock that advances by 1/weight per request; the
// request with the earliest clock runs first. So a caller that floods the queue waits behind its own requests and not
// before those of others, and a caller of weight 3 gets three times the share of one of weight 1 when both want all.
// Requests marked After have a line of their own, which moves while nobody waits in the first.
// A queue that is full makes room for a request that is due earlier by turning away the one that is due last.
//
// Requests that may run as one (the same model, the same shapes) carry the same Batch. Whoever gets a slot may take
// others of its kind along, out of the queue; it runs them all and tells each that it is done:
//
//	for _, other := range place.Take(7) {
//		... run other.Payload too ...
//		other.Done()
//	}
//
// Nobody waits for a batch to fill: batches form of what waits already.
package schedule
