package wordpress

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/qorgan/qorgan/internal/freeport"
)

// Packages are the Debian packages that Start needs.
var Packages = []string{
	"wordpress", "wordpress-l10n", "wordpress-theme-twentytwentyone", "wordpress-theme-twentytwentythree",
	"nginx", "php-fpm", "php-cli", "php-mysql", "php-gd", "php-xml", "php-mbstring", "php-curl", "php-zip", "php-intl",
	"mariadb-server-core", "mariadb-client-core",
}

// Missing names what is not installed; empty when Start can work.
func Missing() []string {
	var missing []string
	for _, name := range []string{"mariadbd", "mariadb-install-db", "mariadb", "nginx"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if _, err := phpFPM(); err != nil {
		missing = append(missing, "php-fpm")
	}
	if _, err := os.Stat("/usr/share/wordpress/wp-load.php"); err != nil {
		missing = append(missing, "wordpress")
	}
	return missing
}

// Account is a person who can sign in.
type Account struct{ User, Password string }

// The accounts of a started site.
var (
	Admin      = Account{"admin", "Adm1n-Passw0rd-X9"}
	Editor     = Account{"editor", "Ed1tor-Passw0rd-X9"}
	Subscriber = Account{"reader", "Subscr1ber-Passw0rd-X9"}
)

// Site is a running WordPress.
type Site struct {
	URL         string // http://127.0.0.1:port, nginx itself
	Dir         string
	AppPassword string // an application password of Admin

	uid, gid int
	procs    []*exec.Cmd
}

//go:embed seed.php
var seed []byte

// Start installs WordPress below dir and starts it. dir must be readable by
// everybody, since the servers run as www-data when the caller is root.
func Start(ctx context.Context, dir string) (*Site, error) {
	s := &Site{Dir: dir, uid: os.Getuid(), gid: os.Getgid()}
	if s.uid == 0 {
		u, err := user.Lookup("www-data")
		if err != nil {
			return nil, fmt.Errorf("find web server's user: %w", err)
		}
		s.uid, _ = strconv.Atoi(u.Uid)
		s.gid, _ = strconv.Atoi(u.Gid)
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Site) start(ctx context.Context) error {
	for _, sub := range []string{"run", "log", "tmp", "db", "nginx"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, sub), 0o755); err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(s.Dir, sub), s.uid, s.gid); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.URL = "http://127.0.0.1:" + port
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"copy site", s.copySite},
		{"start database", s.startDatabase},
		{"start php", s.startPHP},
		{"start nginx", func(ctx context.Context) error { return s.startNginx(ctx, port) }},
		{"install", s.install},
		{"seed", s.seed},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("wordpress: %s: %w", step.name, err)
		}
	}
	return nil
}

// Stop ends what Start started, newest first, and waits for it.
func (s *Site) Stop() error {
	var errs []error
	for i := len(s.procs) - 1; i >= 0; i-- {
		p := s.procs[i]
		if err := p.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		p.Wait() // the exit status of an ended server says nothing
	}
	s.procs = nil
	return errors.Join(errs...)
}

func (s *Site) copySite(ctx context.Context) error {
	site := s.path("site")
	if err := run(ctx, "cp", "-rL", "/usr/share/wordpress/.", site); err != nil {
		return err
	}
	os.Remove(filepath.Join(site, "wp-config.php"))
	for _, sub := range []string{"uploads", "upgrade", "mu-plugins"} {
		if err := os.MkdirAll(filepath.Join(site, "wp-content", sub), 0o755); err != nil {
			return err
		}
	}
	conf := strings.NewReplacer("{{SOCKET}}", s.path("run", "db.sock")).Replace(wpConfig)
	if err := os.WriteFile(filepath.Join(site, "wp-config.php"), []byte(conf), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(site, "wp-content", "mu-plugins", "testbed.php"), []byte(muPlugin), 0o644); err != nil {
		return err
	}
	return run(ctx, "chown", "-R", fmt.Sprintf("%d:%d", s.uid, s.gid), site)
}

func (s *Site) startDatabase(ctx context.Context) error {
	if err := s.command(ctx, "mariadb-install-db", "--no-defaults", "--datadir="+s.path("db"),
		"--skip-test-db", "--auth-root-authentication-method=normal").Run(); err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	db := s.command(context.WithoutCancel(ctx), "mariadbd", "--no-defaults", "--datadir="+s.path("db"), "--socket="+s.path("run", "db.sock"),
		"--skip-networking", "--pid-file="+s.path("run", "db.pid"), "--tmpdir="+s.path("tmp"),
		"--log-error="+s.path("log", "db.log"), "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci",
		"--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF")
	if err := s.keep(db); err != nil {
		return err
	}
	err := eventually(ctx, time.Minute, func() error { return s.SQL(ctx, "SELECT 1", "") })
	if err != nil {
		return err
	}
	return s.SQL(ctx, "CREATE DATABASE wordpress CHARACTER SET utf8mb4", "")
}

// SQL runs a statement as the database's root.
func (s *Site) SQL(ctx context.Context, statement, database string) error {
	args := []string{"--no-defaults", "--protocol=socket", "-S", s.path("run", "db.sock"), "-u", "root", "-e", statement}
	if database != "" {
		args = append(args, database)
	}
	return run(ctx, "mariadb", args...)
}

func (s *Site) startPHP(ctx context.Context) error {
	fpm, err := phpFPM()
	if err != nil {
		return err
	}
	conf := strings.NewReplacer("{{DIR}}", s.Dir).Replace(fpmConfig)
	if err := os.WriteFile(s.path("php-fpm.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	if err := s.keep(s.command(context.WithoutCancel(ctx), fpm, "-F", "-y", s.path("php-fpm.conf"))); err != nil {
		return err
	}
	return eventually(ctx, 30*time.Second, func() error {
		_, err := os.Stat(s.path("run", "php.sock"))
		return err
	})
}

func (s *Site) startNginx(ctx context.Context, port string) error {
	conf := strings.NewReplacer("{{DIR}}", s.Dir, "{{PORT}}", port).Replace(nginxConfig)
	if err := os.WriteFile(s.path("nginx.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	if err := s.keep(s.command(context.WithoutCancel(ctx), "nginx", "-p", s.Dir, "-e", s.path("log", "nginx.log"), "-c", s.path("nginx.conf"))); err != nil {
		return err
	}
	return eventually(ctx, 30*time.Second, func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func (s *Site) install(ctx context.Context) error {
	form := url.Values{
		"weblog_title": {"Steppe Notes"}, "user_name": {Admin.User}, "admin_password": {Admin.Password},
		"admin_password2": {Admin.Password}, "pw_weak": {"on"}, "admin_email": {"admin@example.test"},
		"blog_public": {"1"}, "language": {""}, "Submit": {"Install WordPress"},
	}
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/wp-admin/install.php?step=2", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !strings.Contains(string(page), "Success!") {
		return fmt.Errorf("the installer answered %s without success: see %s", resp.Status, s.path("log"))
	}
	return nil
}

func (s *Site) seed(ctx context.Context) error {
	file := s.path("seed.php")
	if err := os.WriteFile(file, seed, 0o644); err != nil {
		return err
	}
	php := s.command(ctx, "php", "-d", "sys_temp_dir="+s.path("tmp"), file)
	php.Env = append(os.Environ(), "SITE="+s.path("site"), "EDITOR_PASSWORD="+Editor.Password, "SUBSCRIBER_PASSWORD="+Subscriber.Password)
	php.Stdout = nil
	out, err := php.Output()
	if err != nil {
		return fmt.Errorf("run seed: %w: %s", err, out)
	}
	s.AppPassword = strings.TrimSpace(string(out))
	return nil
}

// command prepares a child that runs as the web server's user and does not
// outlive this process.
func (s *Site) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.gid)}
	}
	log, err := os.OpenFile(s.path("log", filepath.Base(name)+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	return cmd
}

func (s *Site) keep(cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	s.procs = append(s.procs, cmd)
	return nil
}

func (s *Site) path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

func phpFPM() (string, error) {
	found, _ := filepath.Glob("/usr/sbin/php-fpm[0-9]*")
	if len(found) == 0 {
		return "", errors.New("php-fpm is not installed")
	}
	return found[len(found)-1], nil
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func freePort() (string, error) {
	addr, err := freeport.Address()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// eventually polls ready until it holds or the time is up.
func eventually(ctx context.Context, limit time.Duration, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}
