module example.com/eci

go 1.25.0

require (
	golang.org/x/exp v0.0.0-20260508232706-74f9aab9d74a
	golang.org/x/sys v0.36.0
	gonum.org/v1/gonum v0.17.0
)

require github.com/google/go-cmp v0.7.0
