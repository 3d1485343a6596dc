package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// ahead is how many rows ahead the source is fetched from memory.
const ahead = 16

// pack writes the function that copies full panels of float32: one B panel and
// the A panels of the same columns.
func (set instructions) pack() {
	const panels = 6 // A panels of one B panel, for both sets
	columns := set.vectors * set.bytes / 4
	if panels*set.rows != columns {
		panic("the A panels do not fill the B panel")
	}
	name := fmt.Sprintf("pack%d%s", columns, set.name)
	TEXT(name, NOSPLIT, "func(n int, rows []float32, d int, a []float32, lda int, b []float32)")
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
	SHLQ(U8(2), d)
	SHLQ(U8(2), lda)
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
	for at := 0; at < columns*4; at += 64 {
		PREFETCHT0(Mem{Base: far, Disp: at})
	}
	part := set.rows * 4
	for i := range panels {
		var x reg.VecVirtual
		if part == 32 {
			x = YMM()
		} else {
			x = XMM()
		}
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
	ADDQ(U32(columns*4), b)
	DECQ(n)
	JMP(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}
