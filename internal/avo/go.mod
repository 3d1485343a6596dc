module example.com/eci/internal/avo

go 1.25

require (
	github.com/mmcloughlin/avo v0.5.0
	golang.org/x/sys v0.36.0
)

require (
	golang.org/x/mod v0.28.0 // indirect
	golang.org/x/sync v0.17.0 // indirect
	golang.org/x/tools v0.37.0 // indirect
)
