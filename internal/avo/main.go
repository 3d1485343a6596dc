// Command avo writes the assembly of the vector kernels: run go generate in the
// package that uses them. It is a module of its own so that the library does
// not depend on the assembler.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/mmcloughlin/avo/build"
)

func main() {
	kernels := flag.String("kernels", "", "the package to write kernels for: syrk, chol, dots or peak")
	flag.Parse()
	build.ConstraintExpr("amd64")
	build.ConstraintExpr("!noasm")
	switch *kernels {
	case "syrk":
		for _, set := range []instructions{avx2, avx512} {
			set.pack()
			for vectors := 1; vectors <= set.vectors; vectors++ {
				set.tile(single, vectors)
			}
		}
	case "chol":
		for _, set := range []instructions{avx2, avx512} {
			for vectors := 1; vectors <= set.vectors; vectors++ {
				set.tile(double, vectors)
				set.solve(double, vectors)
			}
		}
	case "dots":
		dots()
		residual()
	case "peak":
		avx2.peak()
		avx512.peak()
	default:
		fmt.Fprintf(os.Stderr, "avo: unknown kernels %q\n", *kernels)
		os.Exit(2)
	}
	build.Generate()
}
