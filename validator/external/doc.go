// Package external is the mechanism of a subnet owner's own making: a program in any language that serves the gRPC service
// plexus.mechanism.v1.Mechanism (proto/plexus/mechanism/v1, docs/mechanism.md). The validator starts it, or dials one that
// runs elsewhere.
//
//	m, err := external.New(ctx, external.Options{Command: external.Command{Args: []string{"python3", "mechanism.py"}}})
//	defer m.Close()
//	round, err := m.Draw(ctx, 32)
//	marks, err := round.Judge(ctx, answers)
//
// # What is bounded
//
// A program that is started listens on a unix socket in a folder that only the validator's user can enter. It sees a short
// list of environment variables, leads a process group of its own, may hold so much memory and no more, and is ended when
// it misses the deadline of a call. When it ends it is started again, after a pause that doubles. What it prints goes to the
// log, so many lines a second. Close ends all of its group, and on Linux so does the end of the validator.
//
// It runs as the validator's user and can read what that user can: a program that is not trusted belongs under another user
// or on another machine, and is dialled.
//
// # What is checked
//
// All that comes back: how many challenges and marks, their tensors against what Describe says, scores, sizes, that no
// challenge comes twice. What is wrong is an error that wraps ErrFault, ErrDown or ErrExpired: it voids the round, and no
// miner loses by it. What miners send is checked before the program sees it: an answer that is not of the task's form, or
// larger than its share of a message, is a miner's fault and scores 0, so that no miner can void a round.
package external
