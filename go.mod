module github.com/qorgan/qorgan

go 1.26

require (
	github.com/corazawaf/coraza-coreruleset/v4 v4.25.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/magefile/mage v1.17.0 // indirect
)
