// Package differential sends generated requests to a real PHP, behind nginx
// and in PHP's own server, and compares what PHP made of them with what package
// reader says. It demands that no request the reader accepts has a second
// reading.
//
// It needs php-cli, php-fpm, php-xml and nginx, and runs only when asked:
//
//	go test -tags differential ./differential -args -n 100000
//
// The seed is printed; -seed repeats a run and -only one request of it.
// -record writes the answers that the hermetic tests of package reader replay.
package differential
