package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// instructions is a set of vector instructions and the tile that fits its
// registers: rows x vectors sums, one row of B and one broadcast element of A.
type instructions struct {
	name     string // suffix of the functions
	bytes    int    // of a register
	rows     int    // of a tile
	vectors  int    // of the widest tile
	register func() reg.VecVirtual
	zero     func(reg.VecVirtual)
}

var avx2 = instructions{"AVX2", 32, 4, 3, YMM, func(v reg.VecVirtual) { VXORPS(v, v, v) }}

// VPXORD is in AVX-512F; VXORPS of 512 bits would need AVX-512DQ.
var avx512 = instructions{"AVX512", 64, 8, 3, ZMM, func(v reg.VecVirtual) { VPXORD(v, v, v) }}

// precision is the type of the panels and what becomes of the products.
type precision struct {
	bytes     int
	goType    string
	product   string // one product in the Go loop of the comment
	assign    string
	broadcast func(...Op)
	load      func(...Op)
	fma       func(...Op)
	store     func(set instructions, sum reg.VecVirtual, c Mem)
}

// single: float32 panels, sums of float32, added to float64.
var single = precision{
	bytes: 4, goType: "float32", product: "fma32(a[r*%[1]d+i], b[r*ldb+j], sum)", assign: "+= float64(sum)",
	broadcast: VBROADCASTSS, load: VMOVUPS, fma: VFMADD231PS,
	store: func(set instructions, sum reg.VecVirtual, c Mem) {
		low, high := set.register(), set.register()
		if set.bytes == 64 {
			VEXTRACTF64X4(U8(1), sum, high.AsY())
			VCVTPS2PD(sum.AsY(), low)
			VCVTPS2PD(high.AsY(), high)
		} else {
			VEXTRACTF128(U8(1), sum, high.AsX())
			VCVTPS2PD(sum.AsX(), low)
			VCVTPS2PD(high.AsX(), high)
		}
		VADDPD(c, low, low)
		VADDPD(c.Offset(set.bytes), high, high)
		VMOVUPD(low, c)
		VMOVUPD(high, c.Offset(set.bytes))
	},
}

const unroll = 4

// tile writes the function that multiplies an A panel by vectors registers of
// columns of a B panel and adds the tile to c.
func (set instructions) tile(p precision, vectors int) {
	columns := vectors * set.bytes / p.bytes
	name := fmt.Sprintf("tile%dx%d%s", set.rows, columns, set.name)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, a, b []%[1]s, ldb int, c []float64, ldc int)", p.goType))
	Doc(
		fmt.Sprintf("%s needs %s. It is, with fma32 a float32 multiplication and addition", name, set.needs()),
		"of one rounding,",
		"",
		fmt.Sprintf("\tfor i := range %d {", set.rows),
		fmt.Sprintf("\t\tfor j := range %d {", columns),
		fmt.Sprintf("\t\t\tvar sum %s", p.goType),
		"\t\t\tfor r := range n {",
		fmt.Sprintf("\t\t\t\tsum = "+p.product, set.rows),
		"\t\t\t}",
		"\t\t\tc[i*ldc+j] "+p.assign,
		"\t\t}",
		"\t}",
	)
	Pragma("noescape")
	n := Load(Param("n"), GP64())
	a := Load(Param("a").Base(), GP64())
	b := Load(Param("b").Base(), GP64())
	c := Load(Param("c").Base(), GP64())
	ldb := Load(Param("ldb"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(U8(shift(p.bytes)), ldb)
	SHLQ(U8(3), ldc)

	Comment("The tile of c is far away; fetch it during the loop.")
	row := GP64()
	MOVQ(c, row)
	for i := range set.rows {
		for at := 0; at < columns*8; at += 64 {
			PREFETCHT0(Mem{Base: row, Disp: at})
		}
		PREFETCHT0(Mem{Base: row, Disp: columns*8 - 1})
		if i < set.rows-1 {
			ADDQ(ldc, row)
		}
	}

	sums := make([]reg.VecVirtual, set.rows*vectors)
	for i := range sums {
		sums[i] = set.register()
		set.zero(sums[i])
	}
	step := func(r int) {
		columns := make([]reg.VecVirtual, vectors)
		for v := range columns {
			columns[v] = set.register()
			p.load(Mem{Base: b, Disp: v * set.bytes}, columns[v])
		}
		ADDQ(ldb, b)
		for i := range set.rows {
			x := set.register()
			p.broadcast(Mem{Base: a, Disp: (r*set.rows + i) * p.bytes}, x)
			for v := range columns {
				p.fma(columns[v], x, sums[i*vectors+v])
			}
		}
	}
	Label("four")
	CMPQ(n, U8(unroll))
	JL(LabelRef("one"))
	for r := range unroll {
		step(r)
	}
	ADDQ(U32(unroll*set.rows*p.bytes), a)
	SUBQ(U8(unroll), n)
	JMP(LabelRef("four"))
	Label("one")
	TESTQ(n, n)
	JZ(LabelRef("store"))
	step(0)
	ADDQ(U8(set.rows*p.bytes), a)
	DECQ(n)
	JMP(LabelRef("one"))

	Label("store")
	for i := range set.rows {
		for v := range vectors {
			p.store(set, sums[i*vectors+v], Mem{Base: c, Disp: v * set.bytes / p.bytes * 8})
		}
		if i < set.rows-1 {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

func (set instructions) needs() string {
	if set.bytes == 64 {
		return "AVX-512F"
	}
	return "AVX2 and FMA"
}

// shift returns the logarithm of a power of two.
func shift(power int) uint8 { return uint8(bits.TrailingZeros(uint(power))) }
