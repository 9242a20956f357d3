package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// scalar decodes a node that is one value.
func (d *decoder) scalar(n ast.Node, path string, v reflect.Value, unit string) {
	want, example := describe(v.Type(), unit)
	text, quoted, ok := textOf(n)
	if !ok {
		d.wrong(n, path, example, "%s stands where %s is needed", kindOf(n), want)
		return
	}
	_, isText := n.(*ast.StringNode)
	if _, block := n.(*ast.LiteralNode); block {
		isText = true
	}
	var err error
	switch v.Type() {
	case typeDuration:
		var t time.Duration
		err = parseDuration(text, &t)
		v.SetInt(int64(t))
	case typeStep:
		var s HSTSStep
		s, err = setHSTSStep(text)
		v.SetString(string(s))
	case typePrefix:
		err = setPrefix(v, text)
	case typeURL:
		err = setURL(v, text)
	case typeTime:
		err = setTime(v, text)
	case typeRules:
		err = setRules(v, text)
	case typeSecret:
		var s Secret
		if s, err = readSecret(text); err == nil {
			v.Set(reflect.ValueOf(s))
		}
	default:
		switch v.Kind() {
		case reflect.String:
			if !isText {
				d.wrong(n, path, strconv.Quote(text), "%s stands where %s is needed", kindOf(n), want)
				return
			}
			v.SetString(text)
		case reflect.Bool:
			b, isBool := n.(*ast.BoolNode)
			if !isBool {
				d.wrong(n, path, "true or false", "%q is neither true nor false", text)
				return
			}
			v.SetBool(b.Value)
		case reflect.Int, reflect.Int64:
			err = setInteger(v, text, unit, quoted)
		default:
			panic("config: a field of a type that no file can hold: " + v.Type().String())
		}
	}
	if err != nil {
		d.wrong(n, path, example, "%s", err)
	}
}

// describe says in words what a field holds, and gives an example.
func describe(t reflect.Type, unit string) (want, example string) {
	switch t {
	case typeDuration:
		return "a time", "30s, 5m, 12h or 365d"
	case typeStep:
		return "a step or a time", "off, trial, week, month, year, end or 180d"
	case typePrefix:
		return "an address or range", "10.0.0.0/8 or 192.0.2.7"
	case typeURL:
		return "an address", "http://127.0.0.1:8080"
	case typeTime:
		return "a date", "2026-12-31 or 2026-12-31T18:00:00+05:00"
	case typeRules:
		return "a rule id or a range of them", "942100 or 942100-942190"
	case typeSecret:
		return "a secret", "file:/etc/qorgan/token or env:QORGAN_TOKEN"
	}
	switch {
	case unit == "bytes":
		return "a size", "64KiB, 10MB or 2GiB"
	case t.Kind() == reflect.Bool:
		return "true or false", "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return "a whole number", "a whole number"
	}
	return "a text", `a text such as "shop"`
}

// textOf returns a scalar as it was written, without quotes.
func textOf(n ast.Node) (text string, quoted, ok bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return s.Value, s.Token.Type.String() != "String", true
	case *ast.LiteralNode:
		return s.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// parseDuration reads a time into t, which stays as it is on an error.
func parseDuration(text string, t *time.Duration) error {
	if text == "0" {
		*t = 0
		return nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err == nil && n > -1e5 && n < 1e5 {
			*t = time.Duration(n) * 24 * time.Hour
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return fmt.Errorf("%q has no unit", text)
		}
		return fmt.Errorf("%q is not a time", text)
	}
	*t = d
	return nil
}

func setPrefix(v reflect.Value, text string) error {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is not an address or a range", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	v.Set(reflect.ValueOf(p))
	return nil
}

func setURL(v reflect.Value, text string) error {
	u, err := url.Parse(text)
	if err != nil || !strings.Contains(text, "://") {
		return fmt.Errorf("%q is not a URL", text)
	}
	v.Set(reflect.ValueOf(u))
	return nil
}

func setTime(v reflect.Value, text string) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	}
	return fmt.Errorf("%q is not a date", text)
}

func setRules(v reflect.Value, text string) error {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	a, errA := strconv.Atoi(strings.TrimSpace(first))
	b, errB := strconv.Atoi(strings.TrimSpace(last))
	if errA != nil || errB != nil {
		return fmt.Errorf("%q is not a rule id", text)
	}
	v.Set(reflect.ValueOf(RuleRange{First: a, Last: b}))
	return nil
}

// sizes are the units of a size, in bytes.
var sizes = []struct {
	unit string
	size float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

func setInteger(v reflect.Value, text, unit string, quoted bool) error {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	switch {
	case unit == "bytes" && err != nil:
		if n, err = parseSize(text); err != nil {
			return err
		}
	case err != nil || quoted:
		return fmt.Errorf("%q is not a whole number", text)
	}
	if v.OverflowInt(n) || v.Kind() == reflect.Int && n > math.MaxInt32 {
		return fmt.Errorf("%s is too large", text)
	}
	v.SetInt(n)
	return nil
}

func parseSize(text string) (int64, error) {
	for _, s := range sizes {
		number, ok := strings.CutSuffix(text, s.unit)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(f) || math.Abs(f*s.size) >= math.MaxInt64 {
			break
		}
		return int64(f * s.size), nil
	}
	return 0, fmt.Errorf("%q is not a size", text)
}
