// Package postgrestest runs a PostgreSQL of one test's own, from the system's
// packages. It listens on a socket in a folder of the test and on no port.
package postgrestest
