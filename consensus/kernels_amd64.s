#include "textflag.h"

// The loops over dense columns, four 64-bit lanes at a time. What each computes is said, in Go, in kernels.go; the
// tests hold both to the same bits. Lengths are positive multiples of eight.

// func cpuHasAVX2() bool
TEXT ·cpuHasAVX2(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	MOVL $0, AX
	MOVL $0, CX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $1, AX
	MOVL $0, CX
	CPUID
	ANDL $0x18000000, CX // OSXSAVE and AVX
	CMPL CX, $0x18000000
	JNE  no
	MOVL $0, CX
	XGETBV
	ANDL $6, AX // the system saves XMM and YMM
	CMPL AX, $6
	JNE  no
	MOVL $7, AX
	MOVL $0, CX
	CPUID
	SHRL $5, BX // AVX2
	ANDL $1, BX
	MOVB BX, ret+0(FP)
no:
	RET

// func normalizeAVX2(w, mulHi, mulLo, shift *uint64, packed *uint32, n int) (any uint64)
TEXT ·normalizeAVX2(SB), NOSPLIT, $0-56
	MOVQ     w+0(FP), DI
	MOVQ     mulHi+8(FP), SI
	MOVQ     mulLo+16(FP), DX
	MOVQ     shift+24(FP), CX
	MOVQ     packed+32(FP), R8
	MOVQ     n+40(FP), R9
	VPCMPEQD Y7, Y7, Y7
	VPSRLQ   $48, Y7, Y7 // 65535
	VPXOR    Y8, Y8, Y8  // any
	XORQ     AX, AX
loop:
	VPMOVZXDQ (R8)(AX*4), Y0
	VPOR      Y0, Y8, Y8
	VPAND     Y7, Y0, Y0
	VPMULUDQ  (SI)(AX*8), Y0, Y1
	VPMULUDQ  (DX)(AX*8), Y0, Y2
	VPSRLQ    $32, Y2, Y2
	VPADDQ    Y1, Y2, Y1
	VMOVDQU   (CX)(AX*8), Y3
	VPSRLVQ   Y3, Y1, Y1
	VMOVDQU   Y1, (DI)(AX*8)
	ADDQ      $4, AX
	CMPQ      AX, R9
	JLT       loop
	VEXTRACTI128 $1, Y8, X0
	VPOR      X0, X8, X8
	VPSHUFD   $0x4E, X8, X0
	VPOR      X0, X8, X8
	VMOVQ     X8, any+48(FP)
	VZEROUPPER
	RET

// func bucketsAVX2(index, w *uint64, n int, lo, shift uint64)
TEXT ·bucketsAVX2(SB), NOSPLIT, $0-40
	MOVQ         index+0(FP), DI
	MOVQ         w+8(FP), SI
	MOVQ         n+16(FP), R9
	VMOVQ         lo+24(FP), X0
	VPBROADCASTQ X0, Y0
	VMOVQ         shift+32(FP), X1
	MOVQ         $63, AX
	VMOVQ         AX, X2
	VPBROADCASTQ X2, Y2
	XORQ         AX, AX
loop:
	VPMAXUD (SI)(AX*8), Y0, Y3
	VPSUBQ  Y0, Y3, Y3
	VPSRLQ  X1, Y3, Y3
	VPMINUD Y2, Y3, Y3
	VMOVDQU Y3, (DI)(AX*8)
	ADDQ    $4, AX
	CMPQ    AX, R9
	JLT     loop
	VZEROUPPER
	RET

// func clipAVX2(clip, trust, w, stake *uint64, n int, consensus, penalty uint64) (before, rank uint64)
TEXT ·clipAVX2(SB), NOSPLIT, $0-72
	MOVQ         clip+0(FP), DI
	MOVQ         trust+8(FP), DX
	MOVQ         w+16(FP), SI
	MOVQ         stake+24(FP), CX
	MOVQ         n+32(FP), R9
	VMOVQ         consensus+40(FP), X0
	VPBROADCASTQ X0, Y0
	VMOVQ         penalty+48(FP), X1
	VPBROADCASTQ X1, Y1
	VPCMPEQD     Y2, Y2, Y2
	VPSRLQ       $32, Y2, Y2 // 2^32 - 1
	VPXOR        Y3, Y3, Y3  // before
	VPXOR        Y4, Y4, Y4  // rank
	XORQ         AX, AX
loop:
	VMOVDQU  (SI)(AX*8), Y5
	VMOVDQU  (CX)(AX*8), Y6
	VPMINUD  Y0, Y5, Y7
	VPMULUDQ Y5, Y6, Y8
	VPSRLQ   $32, Y8, Y8
	VPADDQ   Y8, Y3, Y3
	VPMULUDQ Y7, Y6, Y8
	VPSRLQ   $32, Y8, Y8
	VPADDQ   Y8, Y4, Y4
	VPADDQ   (DX)(AX*8), Y7, Y8
	VMOVDQU  Y8, (DX)(AX*8)
	VPSUBQ   Y7, Y5, Y7 // weight above consensus
	VPMULUDQ Y1, Y7, Y7
	VPADDQ   Y2, Y7, Y7
	VPSRLQ   $32, Y7, Y7
	VPSUBQ   Y7, Y5, Y5
	VMOVDQU  Y5, (DI)(AX*8)
	ADDQ     $4, AX
	CMPQ     AX, R9
	JLT      loop
	VEXTRACTI128 $1, Y3, X5
	VPADDQ   X5, X3, X3
	VPSHUFD  $0x4E, X3, X5
	VPADDQ   X5, X3, X3
	VMOVQ     X3, before+56(FP)
	VEXTRACTI128 $1, Y4, X5
	VPADDQ   X5, X4, X4
	VPSHUFD  $0x4E, X4, X5
	VPADDQ   X5, X4, X4
	VMOVQ     X4, rank+64(FP)
	VZEROUPPER
	RET

// SUM adds the four lanes of y, whose lower half is x, and stores the result.
#define SUM(x, y, result) \
	VEXTRACTI128 $1, y, X13; \
	VPADDQ       X13, x, x;  \
	VPSHUFD      $0x4E, x, X13; \
	VPADDQ       X13, x, x;  \
	VMOVQ        x, result

// func bondsAVX2(s *columnSums, x, trust, w, stake *uint64, packed *uint32, n int, m *bondMove)
TEXT ·bondsAVX2(SB), NOSPLIT, $0-64
	MOVQ         s+0(FP), BX
	MOVQ         x+8(FP), DI
	MOVQ         trust+16(FP), DX
	MOVQ         w+24(FP), SI
	MOVQ         stake+32(FP), CX
	MOVQ         packed+40(FP), R8
	MOVQ         n+48(FP), R9
	MOVQ         m+56(FP), AX
	VPBROADCASTQ (AX), Y0    // consensus
	VPBROADCASTQ 8(AX), Y1   // penalty
	VPBROADCASTQ 16(AX), Y2  // alpha
	VPBROADCASTQ 24(AX), Y3  // keep
	VPBROADCASTQ 32(AX), Y4  // mask
	VPCMPEQD     Y5, Y5, Y5
	VPSRLQ       $48, Y5, Y6 // 65535
	VPSRLQ       $32, Y5, Y5 // 2^32 - 1
	VPXOR        Y7, Y7, Y7  // before
	VPXOR        Y8, Y8, Y8  // rank
	VPXOR        Y9, Y9, Y9  // total
	VPXOR        Y10, Y10, Y10 // bound
	XORQ         AX, AX
loop:
	VMOVDQU   (SI)(AX*8), Y11
	VMOVDQU   (CX)(AX*8), Y12
	VPMINUD   Y0, Y11, Y13
	VPMULUDQ  Y11, Y12, Y14
	VPSRLQ    $32, Y14, Y14
	VPADDQ    Y14, Y7, Y7
	VPMULUDQ  Y13, Y12, Y14
	VPSRLQ    $32, Y14, Y14
	VPADDQ    Y14, Y8, Y8
	VPADDQ    (DX)(AX*8), Y13, Y14
	VMOVDQU   Y14, (DX)(AX*8)
	VPSUBQ    Y13, Y11, Y13 // weight above consensus
	VPMULUDQ  Y1, Y13, Y13
	VPADDQ    Y5, Y13, Y13
	VPSRLQ    $32, Y13, Y13
	VPSUBQ    Y13, Y11, Y11
	VPMULUDQ  Y2, Y11, Y11
	VPSRLQ    $32, Y11, Y11
	VPMOVZXDQ (R8)(AX*4), Y12
	VPSRLQ    $16, Y12, Y12
	VPAND     Y4, Y12, Y12
	VPSLLQ    $16, Y12, Y13
	VPADDQ    Y12, Y13, Y13 // bond * 65537
	VPMULUDQ  Y3, Y13, Y13
	VPSRLQ    $32, Y13, Y13
	VPCMPEQQ  Y6, Y12, Y12
	VPSUBQ    Y12, Y13, Y13 // a full bond is one step more than 65535 * 65537
	VPADDQ    Y13, Y11, Y11
	VMOVDQU   Y11, (DI)(AX*8)
	VPADDQ    Y11, Y9, Y9
	VPOR      Y11, Y10, Y10
	ADDQ      $4, AX
	CMPQ      AX, R9
	JLT       loop
	SUM(X7, Y7, (BX))
	SUM(X8, Y8, 8(BX))
	SUM(X9, Y9, 16(BX))
	VEXTRACTI128 $1, Y10, X13
	VPOR      X13, X10, X10
	VPSHUFD   $0x4E, X10, X13
	VPOR      X13, X10, X10
	VMOVQ     X10, 24(BX)
	VZEROUPPER
	RET

// func divideAVX2(normal, value *uint32, x *uint64, n int, mulHi, mulLo, shift uint64)
TEXT ·divideAVX2(SB), NOSPLIT, $0-56
	MOVQ         normal+0(FP), DI
	MOVQ         value+8(FP), DX
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), R9
	VMOVQ        mulHi+32(FP), X0
	VPBROADCASTQ X0, Y0
	VMOVQ        mulLo+40(FP), X1
	VPBROADCASTQ X1, Y1
	VMOVQ        shift+48(FP), X2
	XORQ         AX, AX
loop:
	VMOVDQU  (SI)(AX*8), Y3
	VPMULUDQ Y0, Y3, Y4
	VPMULUDQ Y1, Y3, Y5
	VPSRLQ   $32, Y5, Y5
	VPADDQ   Y5, Y4, Y4
	VPSRLQ   X2, Y4, Y4
	VPSHUFD  $0x88, Y4, Y4
	VPERMQ   $0x08, Y4, Y4
	VMOVDQU  X4, (DI)(AX*4)
	VPSLLQ   $16, Y3, Y4
	VPSUBQ   Y3, Y4, Y4 // x * 65535
	VPSHUFD  $0xDD, Y4, Y4
	VPERMQ   $0x08, Y4, Y4
	VMOVDQU  X4, (DX)(AX*4)
	ADDQ     $4, AX
	CMPQ     AX, R9
	JLT      loop
	VZEROUPPER
	RET

// func incomeAVX2(income *uint64, normal *uint32, n int, incentive uint64)
TEXT ·incomeAVX2(SB), NOSPLIT, $0-32
	MOVQ         income+0(FP), DI
	MOVQ         normal+8(FP), SI
	MOVQ         n+16(FP), R9
	VMOVQ         incentive+24(FP), X0
	VPBROADCASTQ X0, Y0
	XORQ         AX, AX
loop:
	VPMOVZXDQ (SI)(AX*4), Y1
	VPMULUDQ  Y0, Y1, Y1
	VPSRLQ    $32, Y1, Y1
	VPADDQ    (DI)(AX*8), Y1, Y1
	VMOVDQU   Y1, (DI)(AX*8)
	ADDQ      $4, AX
	CMPQ      AX, R9
	JLT       loop
	VZEROUPPER
	RET

// func sumAVX2(row *Entry, n int) (sum uint64, ascending bool)
//
// Sums the values of row[1:n+1] and tells whether each uid is above the one before it.
TEXT ·sumAVX2(SB), NOSPLIT, $0-25
	MOVQ     row+0(FP), SI
	MOVQ     n+8(FP), R9
	VPCMPEQD Y0, Y0, Y0  // ascending so far
	VPSRLD   $16, Y0, Y1 // 65535
	VPXOR    Y2, Y2, Y2  // sums
	XORQ     AX, AX
loop:
	VMOVDQU  4(SI)(AX*4), Y3
	VPAND    (SI)(AX*4), Y1, Y4
	VPAND    Y3, Y1, Y5
	VPSRLD   $16, Y3, Y3
	VPADDD   Y3, Y2, Y2
	VPCMPGTD Y4, Y5, Y5
	VPAND    Y5, Y0, Y0
	ADDQ     $8, AX
	CMPQ     AX, R9
	JLT      loop
	VPMOVMSKB Y0, AX
	CMPL     AX, $-1
	SETEQ    ascending+24(FP)
	VEXTRACTI128 $1, Y2, X3
	VPMOVZXDQ X2, Y2
	VPMOVZXDQ X3, Y3
	VPADDQ   Y3, Y2, Y2
	VEXTRACTI128 $1, Y2, X3
	VPADDQ   X3, X2, X2
	VPSHUFD  $0x4E, X2, X3
	VPADDQ   X3, X2, X2
	VMOVQ     X2, sum+16(FP)
	VZEROUPPER
	RET

// TRANSPOSE turns the eight rows of eight 32-bit lanes in Y0 to Y7 into columns, in Y8 to Y15.
#define TRANSPOSE \
	VPUNPCKLDQ Y1, Y0, Y8; \
	VPUNPCKHDQ Y1, Y0, Y9; \
	VPUNPCKLDQ Y3, Y2, Y10; \
	VPUNPCKHDQ Y3, Y2, Y11; \
	VPUNPCKLDQ Y5, Y4, Y12; \
	VPUNPCKHDQ Y5, Y4, Y13; \
	VPUNPCKLDQ Y7, Y6, Y14; \
	VPUNPCKHDQ Y7, Y6, Y15; \
	VPUNPCKLQDQ Y10, Y8, Y0; \
	VPUNPCKHQDQ Y10, Y8, Y1; \
	VPUNPCKLQDQ Y11, Y9, Y2; \
	VPUNPCKHQDQ Y11, Y9, Y3; \
	VPUNPCKLQDQ Y14, Y12, Y4; \
	VPUNPCKHQDQ Y14, Y12, Y5; \
	VPUNPCKLQDQ Y15, Y13, Y6; \
	VPUNPCKHQDQ Y15, Y13, Y7; \
	VPERM2I128 $0x20, Y4, Y0, Y8; \
	VPERM2I128 $0x20, Y5, Y1, Y9; \
	VPERM2I128 $0x20, Y6, Y2, Y10; \
	VPERM2I128 $0x20, Y7, Y3, Y11; \
	VPERM2I128 $0x31, Y4, Y0, Y12; \
	VPERM2I128 $0x31, Y5, Y1, Y13; \
	VPERM2I128 $0x31, Y6, Y2, Y14; \
	VPERM2I128 $0x31, Y7, Y3, Y15

// func packAVX2(packed *uint32, stride int, weights, bonds *[8]*tile)
TEXT ·packAVX2(SB), NOSPLIT, $0-32
	MOVQ     packed+0(FP), DI
	MOVQ     stride+8(FP), R9
	MOVQ     weights+16(FP), SI
	MOVQ     bonds+24(FP), DX
	SHLQ     $2, R9 // bytes
	VPCMPEQD Y15, Y15, Y15
	VPSLLD   $16, Y15, Y15 // the value of an entry, above its uid

#define ROW(i, dst) \
	MOVQ    (i*8)(SI), AX;  \
	MOVQ    (i*8)(DX), BX;  \
	VMOVDQU (AX), dst;      \
	VPSRLD  $16, dst, dst;  \
	VPAND   (BX), Y15, Y14; \
	VPOR    Y14, dst, dst

	ROW(0, Y0)
	ROW(1, Y1)
	ROW(2, Y2)
	ROW(3, Y3)
	ROW(4, Y4)
	ROW(5, Y5)
	ROW(6, Y6)
	ROW(7, Y7)

	TRANSPOSE
	VMOVDQU  Y8, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y9, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y10, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y11, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y12, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y13, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y14, (DI)
	ADDQ     R9, DI
	VMOVDQU  Y15, (DI)
	VZEROUPPER
	RET

// func matchAVX2(mask *uint8, index *uint64, n int, b uint64)
TEXT ·matchAVX2(SB), NOSPLIT, $0-32
	MOVQ         mask+0(FP), DI
	MOVQ         index+8(FP), SI
	MOVQ         n+16(FP), R9
	VMOVQ        b+24(FP), X0
	VPBROADCASTQ X0, Y0
	XORQ         AX, AX
	XORQ         R10, R10 // eight bytes of mask, for one store: narrow stores would stall the reader
loop:
	VPCMPEQQ  (SI)(AX*8), Y0, Y1
	VPCMPEQQ  32(SI)(AX*8), Y0, Y2
	VMOVMSKPD Y1, BX
	VMOVMSKPD Y2, CX
	SHLQ      $4, CX
	ORQ       CX, BX
	SHRQ      $8, R10
	SHLQ      $56, BX
	ORQ       BX, R10
	ADDQ      $8, AX
	TESTQ     $63, AX
	JNE       next
	MOVQ      R10, (DI)
	ADDQ      $8, DI
next:
	CMPQ      AX, R9
	JLT       loop
	MOVQ      $64, CX
	ANDQ      $63, AX
	JEQ       done
	SUBQ      AX, CX
	SHRQ      CX, R10
	MOVQ      R10, (DI)
done:
	VZEROUPPER
	RET

DATA steps<>+0(SB)/8, $0x0000000100000000
DATA steps<>+8(SB)/8, $0x0000000300000002
DATA steps<>+16(SB)/8, $0x0000000500000004
DATA steps<>+24(SB)/8, $0x0000000700000006
GLOBL steps<>(SB), RODATA|NOPTR, $32

// func unpackAVX2(tiles *[8]tile, zeros *[8]uint8, value *uint32, stride int, uid uint32)
TEXT ·unpackAVX2(SB), NOSPLIT, $0-36
	MOVQ    tiles+0(FP), DI
	MOVQ    zeros+8(FP), DX
	MOVQ    value+16(FP), SI
	MOVQ    stride+24(FP), R9
	SHLQ    $2, R9 // bytes
	VMOVDQU (SI), Y0
	ADDQ    R9, SI
	VMOVDQU (SI), Y1
	ADDQ    R9, SI
	VMOVDQU (SI), Y2
	ADDQ    R9, SI
	VMOVDQU (SI), Y3
	ADDQ    R9, SI
	VMOVDQU (SI), Y4
	ADDQ    R9, SI
	VMOVDQU (SI), Y5
	ADDQ    R9, SI
	VMOVDQU (SI), Y6
	ADDQ    R9, SI
	VMOVDQU (SI), Y7
	TRANSPOSE
	MOVL    uid+32(FP), AX
	VMOVD   AX, X0
	VPBROADCASTD X0, Y0
	VPADDD  steps<>(SB), Y0, Y0
	VPXOR   Y1, Y1, Y1

#define ENTRIES(i, row) \
	VPCMPEQD  row, Y1, Y2;   \
	VMOVMSKPS Y2, AX;        \
	MOVB      AX, (i)(DX);   \
	VPSLLD    $16, row, Y2;  \
	VPOR      Y0, Y2, Y2;    \
	VMOVDQU   Y2, (i*32)(DI)

	ENTRIES(0, Y8)
	ENTRIES(1, Y9)
	ENTRIES(2, Y10)
	ENTRIES(3, Y11)
	ENTRIES(4, Y12)
	ENTRIES(5, Y13)
	ENTRIES(6, Y14)
	ENTRIES(7, Y15)
	VZEROUPPER
	RET
