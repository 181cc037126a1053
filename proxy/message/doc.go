// Package message says what becomes of a message's fields on the way through the proxy, for every door alike: which of them pass, and
// what is written about the client. It works on names in any case and allocates nothing.
package message
