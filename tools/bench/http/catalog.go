package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// instance is a line of Fairlead's static source.
type instance struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Port    int    `json:"port"`
}

// writeCatalog writes a catalogue of so many domains, one of which is host, each with all the members, and returns its path.
func writeCatalog(dir string, members []address, domains int) (string, error) {
	services := map[string][]instance{}
	for i := range domains {
		name := host
		if i > 0 {
			name = fmt.Sprintf("d%d.example.com", i)
		}
		for j, m := range members {
			services[name] = append(services[name], instance{ID: fmt.Sprintf("d%d-%d", i, j), Address: "127.0.0.1", Port: m.Port})
		}
	}
	text, err := json.Marshal(map[string]any{"services": services})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "catalog.json")
	return path, os.WriteFile(path, text, 0o600)
}
