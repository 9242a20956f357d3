package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret("hunter2")
	holder := struct {
		Token Secret
		Deep  *Secret
	}{s, &s}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	printed := string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed += fmt.Sprintf(verb+" "+verb+" "+verb, s, holder, &holder)
	}
	if strings.Contains(printed, "hunter2") || strings.Contains(printed, "68756e74657232") {
		t.Errorf("the secret printed: %s", printed)
	}
	if s.Reveal() != "hunter2" {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}

func TestSecretComesFromPlaces(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("QORGAN_TEST_SECRET", "from the environment")
	t.Setenv("QORGAN_TEST_EMPTY", "")
	for _, tc := range []struct{ text, want, message string }{
		{"as it is", "as it is", ""},
		{"file:" + file, "from a file", ""},
		{"env:QORGAN_TEST_SECRET", "from the environment", ""},
		{"env:QORGAN_TEST_EMPTY", "", "env:QORGAN_TEST_EMPTY is empty"},
		{"file:" + dir + "/none", "", "read secret from " + dir + "/none: no such file or directory"},
		{"", "", "the secret is empty"},
	} {
		var v struct {
			Token Secret `yaml:"token"`
		}
		err := Decode("t.yaml", []byte(fmt.Sprintf("token: %q", tc.text)), &v)
		if v.Token.Reveal() != tc.want {
			t.Errorf("%q: got %q", tc.text, v.Token.Reveal())
		}
		if tc.message == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), "t.yaml:1:8: token: "+tc.message+". Write: ") {
			t.Errorf("%q: error %v, want %q", tc.text, err, tc.message)
		}
	}
}
