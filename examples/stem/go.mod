module example.com/eci/examples/stem

go 1.25

require (
	example.com/eci v0.0.0
	github.com/kljensen/snowball v0.10.0
)

require (
	golang.org/x/exp v0.0.0-20251002181428-27f1f14c8bb9 // indirect
	gonum.org/v1/gonum v0.17.0 // indirect
)
