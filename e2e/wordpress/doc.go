// Package wordpress starts a real WordPress for end-to-end tests: MariaDB,
// PHP-FPM, nginx and WordPress from Debian's packages, on loopback, everything
// below one folder, without a service manager.
//
// It installs no packages and tunes nothing for production. [Start] owns the
// processes it starts; [Site.Stop] ends them and waits. A Site's methods may be
// called from several goroutines, Stop once.
package wordpress
