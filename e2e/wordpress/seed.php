<?php
// A small blog with something in it: posts that speak of SQL and shells,
// Russian and Kazakh text, people of every rank, an application password.
$_SERVER['HTTP_HOST'] = 'localhost';
$_SERVER['REQUEST_METHOD'] = 'GET';
require getenv( 'SITE' ) . '/wp-load.php';
wp_set_current_user( 1 );
switch_theme( 'twentytwentyone' );
update_option( 'users_can_register', 1 );
update_option( 'timezone_string', 'Asia/Almaty' );
update_option( 'show_avatars', 0 );
global $wp_rewrite;
$wp_rewrite->set_permalink_structure( '/%year%/%monthnum%/%postname%/' );
$wp_rewrite->flush_rules( true );
$people = array(
	array( 'editor', 'editor', getenv( 'EDITOR_PASSWORD' ), 'Aigerim Bekova' ),
	array( 'reader', 'subscriber', getenv( 'SUBSCRIBER_PASSWORD' ), "Shane O'Brien" ),
);
foreach ( $people as list( $login, $role, $password, $name ) ) {
	wp_insert_user( wp_slash( array( 'user_login' => $login, 'user_pass' => $password, 'user_email' => "$login@example.test", 'display_name' => $name, 'role' => $role ) ) );
}
$code = fn( $text ) => "<!-- wp:code -->\n<pre class=\"wp-block-code\"><code>" . esc_html( $text ) . "</code></pre>\n<!-- /wp:code -->";
$text = fn( $text ) => "<!-- wp:paragraph -->\n<p>$text</p>\n<!-- /wp:paragraph -->";
$posts = array(
	'Joining two tables'  => $text( 'Select the names, then union all the rows and order by one.' ) . $code( "SELECT name FROM users WHERE 1=1\nUNION ALL SELECT title FROM posts; -- done" ),
	'Shell one-liners'    => $code( "cat /etc/passwd | cut -d: -f1\nfind . -name '*.php' -exec grep -l eval {} \\;" ),
	'Неделя в Алматы'     => $text( 'Мы приехали поездом на рассвете. «Горы» уже были освещены.' ),
	'Алматыдағы бір апта' => $text( 'Таңертең тау шыңдары жарқырап тұрды: ә, ғ, қ, ң, ө, ұ, ү, һ, і.' ),
);
foreach ( $posts as $title => $content ) {
	wp_insert_post( wp_slash( array( 'post_title' => $title, 'post_name' => sanitize_title( $title ), 'post_content' => $content, 'post_status' => 'publish', 'comment_status' => 'open' ) ) );
}
echo WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'mobile' ) )[0];
