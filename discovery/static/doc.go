// Package static is a source over a JSON file, followed as it changes:
//
//	{"services": {
//		"shop.example.com": [
//			{"id": "shop-1", "node": "web1", "address": "192.0.2.1", "port": 32768, "tags": ["master"],
//			 "meta": {"priority": "10"}, "health": "passing", "weight": 1}
//		]
//	}}
//
// An instance needs an address and a port. Its id defaults to service-address-port, its node to "static", its health to "passing"
// (or "warning", "critical", "maintenance"), its weight to 1. What is unknown, given twice or out of range is an error that names its
// line, and a file with an error changes nothing: the last good state stays, in doubt, until the file can be read again.
package static
