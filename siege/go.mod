// The whole program under siege: its modules stay out of the product's own
// go.mod.
module github.com/qorgan/qorgan/siege

go 1.26.0

require golang.org/x/net v0.62.0

require golang.org/x/text v0.43.0 // indirect
