package decisions

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/report/wire"
)

// step is one line of the file: what a batch changed. The line begins with the
// CRC-32C of the rest.
type step struct {
	Version int64           `json:"version"`
	Time    time.Time       `json:"time"`
	More    bool            `json:"more,omitempty"`
	Put     []wire.Decision `json:"put,omitempty"`
	Drop    []string        `json:"drop,omitempty"`
}

// compact is how many bytes of steps are appended before all is written anew,
// at least, and how many times what all takes.
const compact = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journal is the file of decisions: all of them when it was last written anew,
// and each step since.
type journal struct {
	path     string
	file     *os.File
	whole    int64 // bytes of it that are not steps since
	appended int64
	dirty    bool // it is not as it should be: to be written anew
}

// load reads the file, which need not exist, as far as it is whole.
func (j *journal) load(each func(step)) (damaged bool, err error) {
	f, err := os.Open(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		j.dirty = true
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	for {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return false, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		text, ended := strings.CutSuffix(line, "\n")
		s, ok := readStep(text)
		if !ok || !ended { // what follows would be appended to it
			return true, nil
		}
		each(s)
		j.whole += int64(len(line))
	}
}

func readStep(line string) (s step, ok bool) {
	mark, text, ok := strings.Cut(line, " ")
	sum, err := strconv.ParseUint(mark, 16, 32)
	if !ok || err != nil || uint32(sum) != crc32.Checksum([]byte(text), castagnoli) {
		return s, false
	}
	return s, json.Unmarshal([]byte(text), &s) == nil
}

func writeStep(w io.Writer, s step) (int, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return 0, err
	}
	return fmt.Fprintf(w, "%08x %s\n", crc32.Checksum(text, castagnoli), text)
}

// append brings a step to the disk.
func (j *journal) append(s step) error {
	if j.file == nil {
		f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		j.file = f
	}
	n, err := writeStep(j.file, s)
	if err == nil {
		err = j.file.Sync()
	}
	j.appended += int64(n)
	return err
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// write brings a step to the disk, or everything when that is due. What cannot
// be written is in force all the same, and is tried again.
func (k *Keeper) write(s step) {
	j := &k.file
	var err error
	if j.dirty || j.appended > max(compact, j.whole) {
		err = k.rewrite()
	} else {
		err = j.append(s)
	}
	if err != nil {
		if !j.dirty {
			k.o.Logger.Error().Err(err).Str("hint", "check the space and the owner of the data folder").Msg("decisions are in force but not on the disk")
		}
		j.dirty = true
	}
}

// rewrite writes all that is held, in pieces.
func (k *Keeper) rewrite() error {
	j := &k.file
	if err := j.close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(j.path), 0o700); err != nil {
		return err
	}
	var size int64
	err := replace.File(j.path, 0o600, func(f io.Writer) error {
		w := bufio.NewWriterSize(f, 1<<16)
		put := step{Version: k.version, Time: k.last, More: true}
		flush := func() error {
			n, err := writeStep(w, put)
			size += int64(n)
			put.Put = put.Put[:0]
			return err
		}
		for id, h := range k.held {
			if put.Put = append(put.Put, h.decision(id)); len(put.Put) == wire.MaxDecisions {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		put.More = k.partial
		if err := flush(); err != nil {
			return err
		}
		return w.Flush()
	})
	if err != nil {
		return err
	}
	j.whole, j.appended, j.dirty = size, 0, false
	return nil
}
