package subnet

import "strconv"

func benchName(what string, n int) string { return strconv.Itoa(n) + " " + what }
