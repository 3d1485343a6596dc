package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// widen loads 8 float32 as two registers of float64.
func widen(at Mem) [2]reg.VecVirtual {
	x := [2]reg.VecVirtual{YMM(), YMM()}
	VCVTPS2PD(at, x[0])
	VCVTPS2PD(at.Offset(16), x[1])
	return x
}

// eights begins a loop over blocks of 8 elements; end finishes it.
func eights(n reg.Register) (end func()) {
	SHRQ(U8(3), n)
	Label("eight")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	return func() {
		DECQ(n)
		JMP(LabelRef("eight"))
		Label("done")
	}
}

// dots writes the sums of products of three vectors.
func dots() {
	TEXT("fiveAVX2", NOSPLIT, "func(q, p, n []float32, sums *[5][8]float64)")
	Doc("fiveAVX2 needs AVX2 and FMA. It is fiveGeneric; products of float32 are exact",
		"in float64, so fused multiply-add gives the same bits.", "")
	Pragma("noescape")
	length := Load(Param("q").Len(), GP64())
	q := Load(Param("q").Base(), GP64())
	p := Load(Param("p").Base(), GP64())
	n := Load(Param("n").Base(), GP64())
	to := Load(Param("sums"), GP64())
	var sums [5][2]reg.VecVirtual
	for i := range sums {
		for h := range 2 {
			sums[i][h] = YMM()
			avx2.zero(sums[i][h])
		}
	}
	end := eights(length)
	for h := range 2 {
		x, y, z := YMM(), YMM(), YMM()
		VCVTPS2PD(Mem{Base: q, Disp: 16 * h}, x)
		VCVTPS2PD(Mem{Base: p, Disp: 16 * h}, y)
		VCVTPS2PD(Mem{Base: n, Disp: 16 * h}, z)
		VFMADD231PD(x, x, sums[0][h])
		VFMADD231PD(y, y, sums[1][h])
		VFMADD231PD(z, z, sums[2][h])
		VFMADD231PD(x, y, sums[3][h])
		VFMADD231PD(x, z, sums[4][h])
	}
	ADDQ(U8(32), q)
	ADDQ(U8(32), p)
	ADDQ(U8(32), n)
	end()
	for i := range sums {
		for h := range 2 {
			VMOVUPD(sums[i][h], Mem{Base: to, Disp: 64*i + 32*h})
		}
	}
	VZEROUPPER()
	RET()
}

// residual writes the residual of three vectors, rounded product by product.
func residual() {
	TEXT("residualAVX2", NOSPLIT, "func(dst, q, p, n []float32, a, b, c float64, sums *[8]float64)")
	Doc("residualAVX2 needs AVX2 and FMA. It is residualGeneric: products and differences",
		"are rounded one by one, and squares of float32 are exact in float64.", "")
	Pragma("noescape")
	length := Load(Param("dst").Len(), GP64())
	dst := Load(Param("dst").Base(), GP64())
	q := Load(Param("q").Base(), GP64())
	p := Load(Param("p").Base(), GP64())
	n := Load(Param("n").Base(), GP64())
	to := Load(Param("sums"), GP64())
	factor := func(name string) reg.VecVirtual {
		x := YMM()
		at, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		VBROADCASTSD(at.Addr, x)
		return x
	}
	a, b, c := factor("a"), factor("b"), factor("c")
	sums := [2]reg.VecVirtual{YMM(), YMM()}
	avx2.zero(sums[0])
	avx2.zero(sums[1])
	end := eights(length)
	x, y, z := widen(Mem{Base: q}), widen(Mem{Base: p}), widen(Mem{Base: n})
	for h := range 2 {
		VMULPD(b, y[h], y[h])
		VMULPD(c, z[h], z[h])
		VMULPD(a, x[h], x[h])
		VSUBPD(z[h], y[h], y[h])
		VSUBPD(x[h], y[h], y[h])
		VCVTPD2PSY(y[h], y[h].AsX())
		VMOVUPS(y[h].AsX(), Mem{Base: dst, Disp: 16 * h})
		VCVTPS2PD(y[h].AsX(), y[h])
		VFMADD231PD(y[h], y[h], sums[h])
	}
	ADDQ(U8(32), dst)
	ADDQ(U8(32), q)
	ADDQ(U8(32), p)
	ADDQ(U8(32), n)
	end()
	VMOVUPD(sums[0], Mem{Base: to})
	VMOVUPD(sums[1], Mem{Base: to, Disp: 32})
	VZEROUPPER()
	RET()
}
