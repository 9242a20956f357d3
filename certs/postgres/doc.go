// Package postgres is a storage of certificates that several edges share, in a
// PostgreSQL. One edge issues, all serve: a lock is a lease that its holder
// renews and that ends some seconds after its holder does.
//
// It encrypts nothing; certs.Sealed does. Times are the database's, so that
// edges with different clocks agree. All exported types are safe for concurrent
// use.
package postgres
