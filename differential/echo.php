<?php
// Says, as JSON with every string in base64, what PHP made of the request.
function b($s) { return base64_encode((string)$s); }
function flat(array $a, array $keys = []): array {
    $out = [];
    foreach ($a as $k => $v) {
        $path = array_merge($keys, [b($k)]);
        if (is_array($v)) {
            $out = array_merge($out, flat($v, $path));
        } else {
            $out[] = ['Keys' => $path, 'Value' => b($v)];
        }
    }
    return $out;
}
function files(): array {
    $out = [];
    foreach ($_FILES as $base => $f) {
        $names = []; $sizes = []; $errors = []; $tmp = [];
        $walk = function ($v, &$into) use (&$walk) {
            if (is_array($v)) { foreach ($v as $x) { $walk($x, $into); } } else { $into[] = $v; }
        };
        $walk($f['name'], $names); $walk($f['size'], $sizes); $walk($f['error'], $errors); $walk($f['tmp_name'], $tmp);
        foreach ($names as $i => $name) {
            $head = $errors[$i] == 0 ? file_get_contents($tmp[$i], false, null, 0, 65536) : '';
            $out[] = ['Base' => b($base), 'Name' => b($name), 'Size' => $sizes[$i], 'Error' => $errors[$i], 'Hash' => sha1($head)];
        }
    }
    return $out;
}
function scalars($v, string $path = ''): array {
    if (is_array($v)) {
        $out = [];
        foreach ($v as $k => $x) { $out = array_merge($out, scalars($x, "$path.$k")); }
        return $out;
    }
    $kind = is_string($v) ? 'string' : (is_bool($v) ? 'bool' : ($v === null ? 'null' : 'number'));
    $text = is_bool($v) ? ($v ? 'true' : 'false') : (is_float($v) ? (is_infinite($v) ? ($v < 0 ? '-Inf' : 'Inf') : json_encode($v)) : (string)$v);
    return [['Path' => b($path === '' ? '.0' : $path), 'Kind' => $kind, 'Value' => b($text)]];
}
function xml(string $s) {
    // As the XML-RPC server of WordPress, without the declaration if it stands in the first 100 bytes; else as it is.
    return sax(trim(preg_replace('/<\?xml.*?\?>/s', '', substr($s, 0, 100), 1) . substr($s, 100))) ?? sax(trim($s));
}
function sax(string $s) {
    if ($s === '') { return null; }
    $texts = []; $attrs = []; $stack = []; $root = null;
    $p = xml_parser_create();
    xml_parser_set_option($p, XML_OPTION_CASE_FOLDING, false);
    xml_set_element_handler($p,
        function ($p, $name, $a) use (&$stack, &$attrs, &$root) {
            $root = $root ?? $name;
            foreach ($a as $v) { $attrs[] = b($v); }
            $stack[] = '';
        },
        function ($p, $name) use (&$stack, &$texts) {
            $texts[] = ['Element' => b($name), 'Text' => b(array_pop($stack))];
        });
    xml_set_character_data_handler($p, function ($p, $data) use (&$stack) { $stack[count($stack) - 1] .= $data; });
    $ok = xml_parse($p, $s, true);
    return $ok ? ['Root' => b($root), 'Texts' => $texts, 'Attrs' => $attrs] : null;
}
$input = file_get_contents('php://input');
$parsed = [];
if (stripos($_SERVER['CONTENT_TYPE'] ?? '', 'multipart/form-data') === false) { parse_str($input, $parsed); }
$json = json_decode($input, true, 512);
// A lone number or word is a JSON text only to who expects one.
$announced = stripos($_SERVER['CONTENT_TYPE'] ?? '', 'json') !== false;
$json = json_last_error() === JSON_ERROR_NONE && ($announced || is_array($json) || is_string($json)) ? ['Leaves' => scalars($json)] : null;
header('Content-Type: application/json');
echo json_encode([
    'URI' => b($_SERVER['NORMAL_URI'] ?? ''),
    'Query' => b($_SERVER['QUERY_STRING'] ?? ''),
    'Get' => flat($_GET), 'Post' => flat($_POST), 'Cookie' => flat($_COOKIE),
    'Files' => files(),
    'Input' => strlen($input),
    'Parsed' => flat($parsed),
    'JSON' => $json,
    'XML' => xml($input),
]);
