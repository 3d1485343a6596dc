module example.com/eci

go 1.25

require gonum.org/v1/gonum v0.17.0 // indirect
