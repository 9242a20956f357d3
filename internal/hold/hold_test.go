package hold_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/internal/hold"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := hold.File(path)
	if err != nil {
		t.Fatal(err)
	}
	var held *hold.HeldError
	if _, err := hold.File(path); !errors.As(err, &held) || !strings.Contains(held.Hint, fmt.Sprint(os.Getpid())) {
		t.Errorf("taken twice: %v", err)
	}
	if err := hold.Release(first); err != nil {
		t.Fatal(err)
	}
	again, err := hold.File(path)
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	if err := hold.Release(again); err != nil {
		t.Error(err)
	}
	if _, err := hold.File(filepath.Join(path, "no", "folder")); err == nil || errors.As(err, &held) {
		t.Errorf("a place that can not be: %v", err)
	}
}
