package main

import (
	"fmt"
	"math/bits"
	"strings"

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
	name      string // prefix of the functions
	bytes     int
	goType    string
	comment   []string // the Go loop over r, i and j
	ahead     bool     // fetch the tile below instead of this one
	broadcast func(...Op)
	load      func(...Op)
	fma       func(...Op)
	begin     func(set instructions, sum reg.VecVirtual, c Mem)
	end       func(set instructions, sum reg.VecVirtual, c Mem)
}

// single: float32 panels, sums of float32, added to float64.
var single = precision{
	name: "tile", bytes: 4, goType: "float32", comment: []string{
		"\tfor i := range %[1]d {",
		"\t\tfor j := range %[2]d {",
		"\t\t\tvar sum float32",
		"\t\t\tfor r := range n {",
		"\t\t\t\tsum = fma(a[r*%[1]d+i], b[r*ldb+j], sum)",
		"\t\t\t}",
		"\t\t\tc[i*ldc+j] += float64(sum)",
		"\t\t}",
		"\t}",
	},
	broadcast: VBROADCASTSS, load: VMOVUPS, fma: VFMADD231PS,
	begin: func(set instructions, sum reg.VecVirtual, _ Mem) { set.zero(sum) },
	end: func(set instructions, sum reg.VecVirtual, c Mem) {
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

// double: float64 panels, subtracted from float64 one product after another.
var double = precision{
	name: "tile", bytes: 8, goType: "float64", comment: []string{
		"\tfor r := range n {",
		"\t\tfor i := range %[1]d {",
		"\t\t\tfor j := range %[2]d {",
		"\t\t\t\tc[i*ldc+j] = fma(-a[r*%[1]d+i], b[r*ldb+j], c[i*ldc+j])",
		"\t\t\t}",
		"\t\t}",
		"\t}",
	},
	ahead:     true,
	broadcast: VBROADCASTSD, load: VMOVUPD, fma: VFNMADD231PD,
	begin: func(_ instructions, sum reg.VecVirtual, c Mem) { VMOVUPD(c, sum) },
	end:   func(_ instructions, sum reg.VecVirtual, c Mem) { VMOVUPD(sum, c) },
}

// exact: like double, but added.
var exact = precision{
	name: "exact", bytes: 8, goType: "float64", comment: []string{
		"\tfor r := range n {",
		"\t\tfor i := range %[1]d {",
		"\t\t\tfor j := range %[2]d {",
		"\t\t\t\tc[i*ldc+j] = fma(a[r*%[1]d+i], b[r*ldb+j], c[i*ldc+j])",
		"\t\t\t}",
		"\t\t}",
		"\t}",
	},
	ahead:     true,
	broadcast: VBROADCASTSD, load: VMOVUPD, fma: VFMADD231PD,
	begin: double.begin,
	end:   double.end,
}

const unroll = 4

// tile writes the function that multiplies an A panel by vectors registers of
// columns of a B panel and adds the tile to c, or subtracts it.
func (set instructions) tile(p precision, vectors int) {
	name := set.header(p.name, "", p, vectors)
	Doc(append(set.doc(name, p, vectors), "")...)
	sums, _, c, ldc := set.multiply(p, vectors)
	set.finish(p, vectors, sums, c, ldc)
}

// solve writes the function that does what a tile does and then divides by an
// upper triangle.
func (set instructions) solve(p precision, vectors int) {
	name := set.header("solve", ", t []float64", p, vectors)
	Doc(append(set.doc(name, p, vectors), formatAll([]string{
		"\tfor i := range %[1]d {",
		"\t\tfor j := range %[2]d {",
		"\t\t\tc[i*ldc+j] *= t[i*%[1]d+i]",
		"\t\t\tfor below := i + 1; below < %[1]d; below++ {",
		"\t\t\t\tc[below*ldc+j] = fma(-t[i*%[1]d+below], c[i*ldc+j], c[below*ldc+j])",
		"\t\t\t}",
		"\t\t}",
		"\t}",
		"",
	}, set.rows, set.columns(p, vectors))...)...)
	sums, t, c, ldc := set.multiply(p, vectors)
	Load(Param("t").Base(), t)
	for i := range set.rows {
		inverse := set.register()
		VBROADCASTSD(Mem{Base: t, Disp: (i*set.rows + i) * 8}, inverse)
		for v := range vectors {
			VMULPD(inverse, sums[i*vectors+v], sums[i*vectors+v])
		}
		for below := i + 1; below < set.rows; below++ {
			x := set.register()
			VBROADCASTSD(Mem{Base: t, Disp: (i*set.rows + below) * 8}, x)
			for v := range vectors {
				VFNMADD231PD(x, sums[i*vectors+v], sums[below*vectors+v])
			}
		}
	}
	set.finish(p, vectors, sums, c, ldc)
}

func (set instructions) columns(p precision, vectors int) int { return vectors * set.bytes / p.bytes }

// header begins a function and returns its name.
func (set instructions) header(what, more string, p precision, vectors int) string {
	name := fmt.Sprintf("%s%dx%d%s", what, set.rows, set.columns(p, vectors), set.name)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, a, b []%[1]s, ldb int, c []float64, ldc int%[2]s)", p.goType, more))
	Pragma("noescape")
	return name
}

func (set instructions) doc(name string, p precision, vectors int) []string {
	return append([]string{
		fmt.Sprintf("%s needs %s. It is, with fma a %s", name, set.needs(), p.goType),
		"multiplication and addition of one rounding,",
		"",
	}, formatAll(p.comment, set.rows, set.columns(p, vectors))...)
}

func formatAll(lines []string, args ...any) []string {
	formatted := make([]string, len(lines))
	for i, line := range lines {
		if strings.Contains(line, "%") {
			line = fmt.Sprintf(line+"%[3]s", append(args, "")...)
		}
		formatted[i] = line
	}
	return formatted
}

// multiply writes the loop; it returns the registers of the tile, a register
// that is free after it, and c with its distance in bytes.
func (set instructions) multiply(p precision, vectors int) (sums []reg.VecVirtual, row, c, ldc reg.Register) {
	n := Load(Param("n"), GP64())
	a := Load(Param("a").Base(), GP64())
	b := Load(Param("b").Base(), GP64())
	c = Load(Param("c").Base(), GP64())
	ldb := Load(Param("ldb"), GP64())
	ldc = Load(Param("ldc"), GP64())
	SHLQ(U8(shift(p.bytes)), ldb)
	SHLQ(U8(3), ldc)

	sums, row = set.begin(p, vectors, c, ldc)
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
	JZ(LabelRef("end"))
	step(0)
	ADDQ(U8(set.rows*p.bytes), a)
	DECQ(n)
	JMP(LabelRef("one"))
	Label("end")
	return sums, row, c, ldc
}

// begin writes the beginning of a tile: its sums and the fetches of C. It returns
// the registers of the sums and one that goes along the rows of C.
func (set instructions) begin(p precision, vectors int, c, ldc reg.Register) (sums []reg.VecVirtual, row reg.Register) {
	row = GP64()
	MOVQ(c, row)
	sums = make([]reg.VecVirtual, set.rows*vectors)
	fetch := func() {
		for at := 0; at < set.columns(p, vectors)*8; at += 64 {
			PREFETCHT0(Mem{Base: row, Disp: at})
		}
		PREFETCHT0(Mem{Base: row, Disp: set.columns(p, vectors)*8 - 1})
	}
	for i := range set.rows {
		for v := range vectors {
			sums[i*vectors+v] = set.register()
			p.begin(set, sums[i*vectors+v], Mem{Base: row, Disp: v * set.bytes})
		}
		if !p.ahead {
			fetch()
		}
		if i < set.rows-1 || p.ahead {
			ADDQ(ldc, row)
		}
	}
	if p.ahead {
		for i := range set.rows {
			fetch()
			if i < set.rows-1 {
				ADDQ(ldc, row)
			}
		}
	}
	return sums, row
}

// finish writes the tile to c and returns.
func (set instructions) finish(p precision, vectors int, sums []reg.VecVirtual, c, ldc reg.Register) {
	for i := range set.rows {
		for v := range vectors {
			p.end(set, sums[i*vectors+v], Mem{Base: c, Disp: v * set.bytes / p.bytes * 8})
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
