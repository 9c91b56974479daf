package simulation

import (
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

// register gives a uid to a hotkey with stake, to one that is known, or to one
// that nobody has used.
func register(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	hotkey, coldkey := w.account().AddressBech32, w.payer().AddressBech32
	switch n := len(w.state.Bindings); {
	case n > 0 && chance(w.r, 45):
		hotkey = oneOf(w.r, w.state.Bindings).Hotkey
		coldkey = w.coldkey[hotkey]
	case chance(w.r, 20):
		if hotkey, coldkey, err = w.hotkey(); err != nil {
			return draft{}, err
		}
	case w.coldkey[hotkey] != "" && chance(w.r, 90):
		coldkey = w.coldkey[hotkey]
	}
	signer, err := w.signer(coldkey)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgRegister{
		Coldkey: coldkey, Hotkey: hotkey, Netuid: s.Subnet.Netuid, MaxBurn: subnet.Cap, HotkeyProof: w.proof(hotkey, coldkey),
	}
	d := draft{signer: signer, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(3) {
	case 0:
		msg.Netuid = w.nobodysNetuid()
	case 1:
		msg.Hotkey = emissionAccount()
	case 2:
		n, err := w.neuron(s)
		if err != nil {
			return draft{}, err
		}
		msg.Hotkey = n.Hotkey
	}
	return d, nil
}

func deregister(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	n, err := w.neuron(s)
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(oneOf(w.r, []string{n.Hotkey, n.Coldkey}))
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgDeregister{Sender: signer.AddressBech32, Hotkey: n.Hotkey, Netuid: s.Subnet.Netuid}
	d := draft{signer: signer, msg: msg}
	if w.spoil() {
		d.wrong, d.signer = true, w.other(n.Hotkey, n.Coldkey)
		msg.Sender = d.signer.AddressBech32
	}
	return d, nil
}

func serve(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	n, err := w.neuron(s)
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(n.Hotkey)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgServe{Hotkey: n.Hotkey, Netuid: s.Subnet.Netuid, Endpoint: subnetv1.Endpoint{
		Host: "miner-" + w.text(1, 20) + ".example", Port: uint32(between(w.r, 1, 65535)), Protocol: "oip-v2-grpc",
		TlsKeyHash: w.bytes(32), Model: w.text(1, 40), ModelSha256: w.bytes(32), Price: between(w.r, 0, subnet.PLX),
		PriceInputKib: between(w.r, 0, subnet.PLX), PriceOutputKib: between(w.r, 0, subnet.PLX), PriceComputeSecond: between(w.r, 0, subnet.PLX),
	}}
	d := draft{signer: signer, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch e := &msg.Endpoint; w.r.Intn(4) {
	case 0:
		e.Port = 0
	case 1:
		e.Host = "-" + e.Host
	case 2:
		e.ModelSha256 = w.bytes(31)
	case 3:
		msg.Netuid = w.nobodysNetuid()
	}
	return d, nil
}

func swapHotkey(w *world) (draft, error) {
	hotkey, coldkey, err := w.hotkey()
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(coldkey)
	if err != nil {
		return draft{}, err
	}
	to, err := w.unused()
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgSwapHotkey{
		Coldkey: coldkey, Hotkey: hotkey, NewHotkey: to.AddressBech32, NewHotkeyProof: w.proof(to.AddressBech32, coldkey),
	}
	d := draft{signer: signer, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(4) {
	case 0:
		d.signer = w.other(coldkey)
		msg.Coldkey = d.signer.AddressBech32
	case 1:
		msg.NewHotkey = hotkey
	case 2:
		msg.NewHotkey = emissionAccount()
	case 3:
		if to.AddressBech32 == coldkey {
			return draft{}, errNothing // its own key signs the transaction
		}
		msg.NewHotkeyProof = w.proof(hotkey, coldkey)
	}
	return d, nil
}

func swapColdkey(w *world) (draft, error) {
	_, coldkey, err := w.hotkey()
	if err != nil {
		return draft{}, err
	}
	signer, err := w.signer(coldkey)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgSwapColdkey{Coldkey: coldkey, NewColdkey: w.other(coldkey).AddressBech32}
	d := draft{signer: signer, msg: msg}
	if w.spoil() {
		d.wrong = true
		msg.NewColdkey = oneOf(w.r, []string{coldkey, emissionAccount()})
	}
	return d, nil
}

// bindHotkey binds validators to hotkeys of their operators, known or new.
func bindHotkey(w *world) (draft, error) {
	operator, err := w.operator()
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgBindHotkey{Operator: operator.AddressBech32, Hotkey: w.account().AddressBech32}
	for hotkey, coldkey := range w.owned() {
		if coldkey == msg.Operator && chance(w.r, 70) {
			msg.Hotkey = hotkey
			break
		}
	}
	msg.HotkeyProof = w.proof(msg.Hotkey, msg.Operator)
	d := draft{signer: operator, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	hotkey, _, err := w.hotkey()
	if err != nil {
		return draft{}, err
	}
	if w.coldkey[hotkey] == msg.Operator {
		return draft{}, errNothing
	}
	msg.Hotkey = oneOf(w.r, []string{hotkey, emissionAccount()})
	return d, nil
}
