package wordpress

// The site takes its address from the request, so that any proxy may stand
// before it.
const wpConfig = `<?php
if ( 'https' === ( $_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '' ) ) {
	$_SERVER['HTTPS'] = 'on';
}
$qorgan_host = $_SERVER['HTTP_HOST'] ?? 'localhost';
$qorgan_home = ( empty( $_SERVER['HTTPS'] ) ? 'http://' : 'https://' ) . $qorgan_host;
define( 'WP_HOME', $qorgan_home );
define( 'WP_SITEURL', $qorgan_home );
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:{{SOCKET}}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
foreach ( array( 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT' ) as $k ) {
	define( $k, hash( 'sha256', __FILE__ . $k ) );
}
$table_prefix = 'wp_';
define( 'FS_METHOD', 'direct' );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'AUTOSAVE_INTERVAL', 10 );
if ( ! defined( 'ABSPATH' ) ) { define( 'ABSPATH', __DIR__ . '/' ); }
require_once ABSPATH . 'wp-settings.php';
`

// The same visitor comments many times within seconds, mail has no server, and
// application passwords are wanted without TLS to the upstream.
const muPlugin = `<?php
add_filter( 'comment_flood_filter', '__return_false', 99 );
add_filter( 'pre_wp_mail', '__return_true' );
add_filter( 'wp_is_application_passwords_available', '__return_true' );
`

const fpmConfig = `[global]
error_log = {{DIR}}/log/php-fpm.log
daemonize = no
[wordpress]
listen = {{DIR}}/run/php.sock
pm = static
pm.max_children = 6
php_admin_value[error_log] = {{DIR}}/log/php-error.log
php_admin_flag[log_errors] = on
php_admin_flag[display_errors] = off
php_admin_value[memory_limit] = 256M
php_admin_value[upload_max_filesize] = 64M
php_admin_value[post_max_size] = 64M
php_admin_value[sys_temp_dir] = {{DIR}}/tmp
php_admin_value[upload_tmp_dir] = {{DIR}}/tmp
php_admin_value[session.save_path] = {{DIR}}/tmp
`

const nginxConfig = `daemon off;
worker_processes 1;
pid {{DIR}}/run/nginx.pid;
error_log {{DIR}}/log/nginx.log warn;
events { worker_connections 512; }
http {
	include /etc/nginx/mime.types;
	access_log {{DIR}}/log/access.log;
	client_max_body_size 64m;
	client_body_temp_path {{DIR}}/nginx/body;
	proxy_temp_path {{DIR}}/nginx/proxy;
	fastcgi_temp_path {{DIR}}/nginx/fastcgi;
	uwsgi_temp_path {{DIR}}/nginx/uwsgi;
	scgi_temp_path {{DIR}}/nginx/scgi;
	absolute_redirect off;
	server {
		listen 127.0.0.1:{{PORT}};
		root {{DIR}}/site;
		index index.php index.html;
		location / { try_files $uri $uri/ /index.php?$args; }
		location ~ [^/]\.php(/|$) {
			fastcgi_split_path_info ^(.+?\.php)(/.*)$;
			if (!-f $document_root$fastcgi_script_name) { return 404; }
			include /etc/nginx/fastcgi_params;
			fastcgi_param HTTP_HOST $http_host;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_param PATH_INFO $fastcgi_path_info;
			fastcgi_param HTTP_PROXY "";
			fastcgi_pass unix:{{DIR}}/run/php.sock;
			fastcgi_buffers 32 32k;
			fastcgi_buffer_size 64k;
			fastcgi_read_timeout 180s;
		}
	}
}
`
