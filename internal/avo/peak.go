package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// chains of multiply-add in the peak loop: enough to hide a latency of 5 cycles
// at two instructions a cycle.
const chains = 12

// peak writes a loop of nothing but fused multiply-add, which shows how fast a
// core could multiply.
func (set instructions) peak() {
	TEXT("peak"+set.name, NOSPLIT, "func(n int)")
	Doc(fmt.Sprintf("peak%s does n times %d float32 multiply-add of %d bits.", set.name, chains, 8*set.bytes))
	n := Load(Param("n"), GP64())
	sums := make([]reg.VecVirtual, chains)
	for i := range sums {
		sums[i] = set.register()
		set.zero(sums[i])
	}
	x := set.register()
	set.zero(x)
	Label("loop")
	for _, sum := range sums {
		VFMADD231PS(x, x, sum)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}
