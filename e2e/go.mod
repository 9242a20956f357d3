// The end-to-end tests: their tools stay out of the product's own go.mod.
module github.com/qorgan/qorgan/e2e

go 1.26.0
