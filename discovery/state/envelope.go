package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// header is the first line of a file, in JSON; the document follows it, in JSON as well. The size tells a file cut short from one
// that was damaged.
type header struct {
	Kind    string `json:"fairlead"`
	Version int    `json:"version"`
	Size    int    `json:"size"`
	SHA256  string `json:"sha256"`
}

// maxHeader bounds the search for the first line's end in what may be any file.
const maxHeader = 4096

// WriteFile writes v as JSON into the file at path, for ReadFile to read again. kind and version say what the document is. The file
// changes from the old state to the new one at once, whatever happens meanwhile, and is on the disk when WriteFile returns. Only
// its owner may read it (0600). A missing directory is made (0700).
func WriteFile(path, kind string, version int, v any) error {
	document, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	sum := sha256.Sum256(document)
	head, err := json.Marshal(header{kind, version, len(document), hex.EncodeToString(sum[:])})
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := replace(dir, path, head, []byte{'\n'}, document, []byte{'\n'}); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// replace writes a new file beside the one at path and renames it over that.
func replace(dir, path string, parts ...[]byte) (err error) {
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // the first error is the one to tell
		}
	}()
	for _, part := range parts {
		if err == nil {
			_, err = file.Write(part)
		}
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last through a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// ReadFile reads what WriteFile wrote into v. A file that is cut short, damaged, of another kind or of another version is an error
// that names the file and says so, and leaves v alone; a missing one is fs.ErrNotExist.
func ReadFile(path, kind string, version int, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err // os names the file
	}
	document, err := open(data, kind, version)
	if err == nil {
		err = json.Unmarshal(document, v)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// SetAside keeps a file that ReadFile has refused from being written over: it renames it to NAME.broken, in place of an older one, for
// people to look at. It returns the reason it is given, with what became of the file.
func SetAside(path string, reason error) error {
	aside := path + ".broken"
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("%w; it cannot be kept aside and will be written over: %w", reason, err)
	}
	return fmt.Errorf("%w; it is kept as %s", reason, aside)
}

// open checks a file's header against its document and the reader's wishes, and returns the document.
func open(data []byte, kind string, version int) ([]byte, error) {
	first, _, found := bytes.Cut(data[:min(len(data), maxHeader)], []byte{'\n'})
	var h header
	if err := json.Unmarshal(first, &h); err != nil || h.Kind == "" {
		if !found && len(data) < maxHeader {
			return nil, fmt.Errorf("the file is cut short within its first line (%d bytes)", len(data))
		}
		return nil, errors.New("the file does not begin with a header of Fairlead's")
	}
	if h.Kind != kind {
		return nil, fmt.Errorf("the file is of kind %q, not %q", h.Kind, kind)
	}
	if h.Version != version {
		return nil, fmt.Errorf("the file is of version %d, and version %d is read here", h.Version, version)
	}
	document := data[min(len(first)+1, len(data)):]
	if len(document) < h.Size+1 {
		return nil, fmt.Errorf("the file is cut short: %d of %d bytes", len(data), len(first)+1+h.Size+1)
	}
	if h.Size < 0 || len(document) > h.Size+1 {
		return nil, fmt.Errorf("the file has %d bytes too many", len(document)-h.Size-1)
	}
	document = document[:h.Size]
	if sum := sha256.Sum256(document); hex.EncodeToString(sum[:]) != h.SHA256 {
		return nil, errors.New("the file is damaged: its checksum is not that of its content")
	}
	return document, nil
}
