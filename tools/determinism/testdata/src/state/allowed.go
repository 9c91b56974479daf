package state

import "strconv"

// show prints a number.
//
//determinism:display for logs
func show(n int) string {
	return strconv.FormatFloat(float64(n)/10, 'g', -1, 64)
}

func sum(m map[string]int) (total int) {
	//determinism:allow maprange a sum has no order
	for _, v := range m {
		total += v
	}
	for range m { //determinism:allow maprange it only counts
		total++
	}
	return total
}

func wrong(m map[string]int) {
	//determinism:allow maprange  // want `needs a reason`
	for range m { // want `maprange in a state transition`
	}
	//determinism:allow order it is fine // want `there is no rule "order"`
	//determinism:allow clock nothing here // want `nothing here breaks rule clock`
	//determinism:ignore // want `unknown directive`
	//determinism:display not above a function // want `belongs to the comment of a function`
}
