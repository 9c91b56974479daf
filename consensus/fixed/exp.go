package fixed

// expTerms is the highest power of the series. It is a rule of the network, not a question of accuracy: another
// number of terms gives other bits.
const expTerms = FracBits - 1

// Exp is e^x by the Taylor series with expTerms terms, every product and quotient floored; for negative x it is
// 1/Exp(-x). Where a term no longer fits (|x| above about 20.9) the result is Max, or 0 for negative x.
func Exp(x I32F32) I32F32 {
	if x >= 0 {
		return expPositive(x)
	}
	if x == Min {
		return 0
	}
	e := expPositive(-x)
	if e == Max {
		return 0
	}
	return One.Div(e)
}

func expPositive(x I32F32) I32F32 {
	if x == Max {
		return Max
	}
	sum, term := x.Add(One), x
	for i := I32F32(2); i <= expTerms && term != 0; i++ {
		p, ok := term.checkedMul(x)
		if !ok {
			return Max
		}
		term = p / i
		if sum = sum.Add(term); sum == Max {
			return Max
		}
	}
	return sum
}

// expBound is where Sigmoid stops following its argument: e^20 is the largest whole power that is safe.
const expBound = 20

// Sigmoid is 1/(1 + e^(-rho (x - kappa))), with the exponent bounded to [-20, 20]: the damping of root shares
// (docs/protocol.md section 2).
func Sigmoid(x, rho, kappa I32F32) I32F32 {
	exponent := rho.Mul(-One).Mul(x.Sub(kappa)).Clamp(FromInt(-expBound), FromInt(expBound))
	return One.Div(Exp(exponent).Add(One))
}
