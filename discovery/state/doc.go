// Package state keeps small documents that several processes share: by key, with compare-and-set and a watch, in a key-value store
// handed to it (Consul's) or in a file of this machine. It also has the envelope of every file Fairlead writes to read again.
//
// It knows nothing of what the documents mean. Each belongs to one package, which also chooses its key.
package state
