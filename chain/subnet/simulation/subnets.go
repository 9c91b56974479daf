package simulation

import (
	subnetv1 "github.com/plexusnet/plexus/proto/plexus/subnet/v1"
	"github.com/plexusnet/plexus/subnet"
)

func createSubnet(w *world) (draft, error) {
	owner := w.payer()
	msg := &subnetv1.MsgCreateSubnet{Owner: owner.AddressBech32, Name: w.text(1, 64), MaxLock: subnet.Cap}
	if chance(w.r, 70) {
		msg.OwnerHotkey = w.account().AddressBech32
		msg.OwnerHotkeyProof = w.proof(msg.OwnerHotkey, msg.Owner)
	}
	d := draft{signer: owner, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(4) {
	case 0:
		msg.Name = ""
	case 1:
		msg.Name = w.text(65, 200)
	case 2:
		msg.MaxLock = 0
	case 3:
		msg.OwnerHotkey = emissionAccount()
	}
	return d, nil
}

func transferSubnet(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	owner, err := w.signer(s.Subnet.Owner)
	if err != nil {
		return draft{}, err
	}
	to := w.account()
	if chance(w.r, 30) {
		to = owner
	}
	msg := &subnetv1.MsgTransferSubnet{Owner: owner.AddressBech32, Netuid: s.Subnet.Netuid, NewOwner: to.AddressBech32}
	if chance(w.r, 60) {
		msg.NewOwnerHotkey = w.account().AddressBech32
		for hotkey, coldkey := range w.owned() {
			if coldkey == msg.NewOwner {
				msg.NewOwnerHotkey = hotkey
				break
			}
		}
	}
	msg.NewOwnerHotkeyProof = w.proof(msg.NewOwnerHotkey, msg.Owner)
	d := draft{signer: owner, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(3) {
	case 0:
		d.signer = w.other(s.Subnet.Owner)
		msg.Owner = d.signer.AddressBech32
	case 1:
		msg.NewOwner = emissionAccount()
	case 2:
		msg.Netuid = w.nobodysNetuid()
	}
	return d, nil
}

func removeSubnet(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	owner, err := w.signer(s.Subnet.Owner)
	if err != nil {
		return draft{}, err
	}
	d := draft{signer: owner}
	msg := &subnetv1.MsgRemoveSubnet{Sender: owner.AddressBech32, Netuid: s.Subnet.Netuid}
	d.msg = msg
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	if chance(w.r, 50) {
		msg.Netuid = w.nobodysNetuid()
		return d, nil
	}
	d.signer = w.other(s.Subnet.Owner)
	msg.Sender = d.signer.AddressBech32
	return d, nil
}

func setHyperparams(w *world) (draft, error) {
	s, err := w.subnet()
	if err != nil {
		return draft{}, err
	}
	owner, err := w.signer(s.Subnet.Owner)
	if err != nil {
		return draft{}, err
	}
	msg := &subnetv1.MsgSetHyperparams{Sender: owner.AddressBech32, Netuid: s.Subnet.Netuid, Hyperparams: ownersChoice(w.r, s.Subnet.Hyperparams)}
	d := draft{signer: owner, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	h := &msg.Hyperparams
	switch w.r.Intn(6) {
	case 0: // governance's own
		h.Tempo++
	case 1:
		h.BurnHalfLife++
	case 2:
		h.YumaVersion = uint32(oneOf(w.r, []int{0, 1, 4}))
	case 3:
		h.CommitReveal = w.text(1, 8)
	case 4:
		h.Kappa = 65536 + uint32(w.r.Intn(1000))
	case 5:
		d.signer = w.other(s.Subnet.Owner)
		msg.Sender = d.signer.AddressBech32
	}
	return d, nil
}

func setIdentity(w *world) (draft, error) {
	account := w.account()
	msg := &subnetv1.MsgSetIdentity{Account: account.AddressBech32}
	if s, err := w.subnet(); err == nil && chance(w.r, 50) {
		if account, err = w.signer(s.Subnet.Owner); err != nil {
			return draft{}, err
		}
		msg.Account, msg.Netuid = s.Subnet.Owner, s.Subnet.Netuid
	}
	if chance(w.r, 85) {
		msg.Identity = subnetv1.Identity{
			Name: w.text(1, 64), Url: "https://" + w.text(1, 40), Description: w.text(0, 300), Contact: w.text(0, 128),
		}
	}
	d := draft{signer: account, msg: msg}
	if !w.spoil() {
		return d, nil
	}
	d.wrong = true
	switch w.r.Intn(3) {
	case 0:
		msg.Identity = subnetv1.Identity{Name: "", Description: w.text(1, 10)}
	case 1:
		msg.Identity = subnetv1.Identity{Name: w.text(65, 90)}
	case 2:
		msg.Netuid = w.nobodysNetuid()
	}
	return d, nil
}
