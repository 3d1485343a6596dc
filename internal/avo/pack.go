package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// ahead is how many rows ahead the source is fetched from memory.
const ahead = 16

// pack writes the function that copies full panels: one B panel and the A
// panels of the same columns.
func (set instructions) pack(p precision) {
	columns := set.columns(p, set.vectors)
	panels := columns / set.rows // 6 or 3
	name := fmt.Sprintf("pack%dx%d%s", 8*p.bytes, columns, set.name)
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, rows []%[1]s, d int, a []%[1]s, lda int, b []%[1]s)", p.goType))
	Doc(
		fmt.Sprintf("%s needs %s. It is", name, set.needs()),
		"",
		"\tfor r := range n {",
		fmt.Sprintf("\t\tfor j := range %d {", columns),
		fmt.Sprintf("\t\t\tb[r*%d+j] = rows[r*d+j]", columns),
		fmt.Sprintf("\t\t\ta[j/%[1]d*lda+r*%[1]d+j%%%[1]d] = rows[r*d+j]", set.rows),
		"\t\t}",
		"\t}",
	)
	Pragma("noescape")
	n := Load(Param("n"), GP64())
	rows := Load(Param("rows").Base(), GP64())
	d := Load(Param("d"), GP64())
	a := Load(Param("a").Base(), GP64())
	lda := Load(Param("lda"), GP64())
	b := Load(Param("b").Base(), GP64())
	SHLQ(U8(shift(p.bytes)), d)
	SHLQ(U8(shift(p.bytes)), lda)
	far := GP64()
	MOVQ(d, far)
	SHLQ(U8(shift(ahead)), far)
	ADDQ(rows, far)
	a3 := GP64()
	LEAQ(Mem{Base: lda, Index: lda, Scale: 2}, a3)
	ADDQ(a, a3)

	Label("row")
	TESTQ(n, n)
	JZ(LabelRef("done"))
	for at := 0; at < columns*p.bytes; at += 64 {
		PREFETCHT0(Mem{Base: far, Disp: at})
	}
	part := set.rows * p.bytes
	for i := range panels {
		x := map[int]func() reg.VecVirtual{16: XMM, 32: YMM, 64: ZMM}[part]()
		VMOVUPS(Mem{Base: rows, Disp: i * part}, x)
		VMOVUPS(x, Mem{Base: b, Disp: i * part})
		to := Mem{Base: a}
		if i >= 3 {
			to.Base = a3
		}
		if i%3 > 0 {
			to.Index, to.Scale = lda, uint8(i%3)
		}
		VMOVUPS(x, to)
	}
	ADDQ(d, rows)
	ADDQ(d, far)
	ADDQ(U8(part), a)
	ADDQ(U8(part), a3)
	ADDQ(U32(columns*p.bytes), b)
	DECQ(n)
	JMP(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}
