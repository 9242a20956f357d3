# Prints a table from the output of BenchmarkTable and BenchmarkTenThousandSites,
# run one or more times: the median of each row, and the ratio to plain Coraza.
function median(key,    n, i, j, t, v) {
	n = split(runs[key], v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j-1] + 0; j--) { t = v[j]; v[j] = v[j-1]; v[j-1] = t }
	return n % 2 ? v[(n+1)/2] : (v[n/2] + v[n/2+1]) / 2
}
function figure(name, who, unit) {
	key = name "/" who " " unit
	if (!(key in runs)) { missing = missing " " key; return 0 }
	return median(key)
}
function time(ns) { return ns < 1e6 ? sprintf("%.1f µs", ns / 1e3) : sprintf("%.1f ms", ns / 1e6) }
function row(title, ours, plain) {
	if (!(ours && plain)) printf "| %s | no figure | no figure | |\n", title
	else if (ours > 0) printf "| %s | %s | %s | 1/%.0f |\n", title, time(plain), time(ours), plain / ours
	else printf "| %s | %s | %s | lost in the noise |\n", title, time(plain), time(ours)
}
function timed(title, name) { row(title, figure(name, "qorgan", "ns/op"), figure(name, "coraza", "ns/op")) }
function added(who) { return figure("page-inspected", who, "ns/op") - figure("page", who, "ns/op") }
$1 ~ /^Benchmark/ {
	name = $1
	sub(/-[0-9]+$/, "", name)
	sub(/^Benchmark(Table\/)?/, "", name)
	for (i = 3; i < NF; i += 2) runs[name " " $(i+1)] = runs[name " " $(i+1)] " " $i
}
/^(cpu|goos|goarch):/ { sub(/^[a-z]+: */, ""); machine = machine (machine ? ", " : "") $0 }
/^(FAIL|--- FAIL|panic:)/ { failed = 1 }
END {
	print machine
	print ""
	print "| work | plain Coraza | Qorgan | ratio |"
	print "|---|---:|---:|---:|"
	timed("a clean GET, seen before", "get")
	timed("a clean GET, never seen before", "get-fresh")
	timed("nine GETs and a form, a request", "mix")
	timed("a 9 kB block-editor save, level 1", "save-9k")
	timed("a 290 kB save, level 1", "save-290k")
	timed("a 290 kB save, level 2", "save-290k-level2")
	timed("the same from a stranger, refused, level 1", "stranger-290k")
	timed("the same from a stranger, refused, level 2", "stranger-290k-level2")
	timed("an attack refused", "attack")
	row("what inspecting a 30 kB page adds", added("qorgan"), added("coraza"))
	ours = figure("get", "qorgan", "allocs/op"); plain = figure("get", "coraza", "allocs/op")
	printf "| allocations of a clean GET | %d | %d | 1/%.0f |\n", plain, ours, ours ? plain / ours : 0
	if ("TenThousandSites B/site" in runs)
		printf "\nTen thousand sites: %.1f kB of heap each, prepared in %s.\n", median("TenThousandSites B/site") / 1e3, time(median("TenThousandSites ns/op"))
	if (missing) print "no figures for" missing > "/dev/stderr"
	exit failed || missing != ""
}
