package state

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

type document struct {
	Name  string   `json:"name"`
	Words []string `json:"words"`
}

var sample = document{Name: "shop.example.com", Words: []string{"a", "b\n{}", "ü"}}

func TestFileIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "facts.json")
	for range 2 { // the second write replaces the first
		if err := WriteFile(path, "catalog", 3, sample); err != nil {
			t.Fatal(err)
		}
	}
	var got document
	if err := ReadFile(path, "catalog", 3, &got); err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("got %+v, %v", got, err)
	}
	stat, err := os.Stat(path)
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", stat.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
}

func TestFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	if err := WriteFile(path, "catalog", 3, sample); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, kind string
		version    int
		content    []byte
		want       string
	}{
		{"another kind", "state", 3, whole, `the file is of kind "catalog", not "state"`},
		{"another version", "catalog", 4, whole, "the file is of version 3, and version 4 is read here"},
		{"damaged", "catalog", 3, bytes.Replace(whole, []byte("shop"), []byte("shoq"), 1), "the file is damaged"},
		{"too long", "catalog", 3, append(bytes.Clone(whole), whole...), "bytes too many"},
		{"empty", "catalog", 3, nil, "the file is cut short within its first line (0 bytes)"},
		{"cut short", "catalog", 3, whole[:len(whole)-1], "the file is cut short: "},
		{"another program's", "catalog", 3, []byte("{\"a\": 1}\n{}\n"), "the file does not begin with a header of Fairlead's"},
		{"binary", "catalog", 3, bytes.Repeat([]byte{0xff}, 2*maxHeader), "the file does not begin with a header of Fairlead's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			var got document
			err := ReadFile(path, test.kind, test.version, &got)
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if !reflect.DeepEqual(got, document{}) {
				t.Errorf("something was read: %+v", got)
			}
		})
	}
	if err := ReadFile(path+"x", "catalog", 3, new(document)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestFileCutAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	if err := WriteFile(path, "catalog", 3, sample); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := open(whole[:n], "catalog", 3); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestUnwritableFileStaysAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "facts.json")
	if err := WriteFile(path, "catalog", 3, sample); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, "catalog", 3, func() {}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("writing a func: %v", err)
	}
	if err := WriteFile(filepath.Join(path, "below"), "catalog", 3, sample); err == nil {
		t.Error("a file was written below a file")
	}
	var got document
	if err := ReadFile(path, "catalog", 3, &got); err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSetAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.json")
	reason := errors.New("it is damaged")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := SetAside(file, reason); !errors.Is(err, reason) || !strings.Contains(err.Error(), "kept as "+file+".broken") {
			t.Errorf("says %v", err)
		}
		if kept, err := os.ReadFile(file + ".broken"); string(kept) != text {
			t.Errorf("kept is %q, %v; want %q", kept, err, text)
		}
	}
	if err := SetAside(file, reason); !errors.Is(err, reason) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "cannot be kept") {
		t.Errorf("of a file that is not there it says %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("{\"fairlead\":\"catalog\",\"version\":3,\"size\":2,\"sha256\":\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}\n{}\n"))
	f.Add([]byte("{\"fairlead\":\"catalog\",\"version\":3,\"size\":-1}\n"))
	f.Add([]byte("{\"fairlead\":\"catalog\",\"version\":3,\"size\":9223372036854775807}\n{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		document, err := open(data, "catalog", 3)
		if err == nil && !bytes.HasSuffix(data[:len(data)-1], document) {
			t.Errorf("the document is not the end of the file: %q", document)
		}
	})
}
