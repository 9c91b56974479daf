package wallet_test

// crashVariable names, for a process of its own, where it is killed.
const crashVariable = "PLEXUS_WALLET_CRASH"

func crashAt(string) {}
