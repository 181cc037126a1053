// Package nameserver is the DNS door: it answers A, AAAA and SRV questions for domains, however many dots they have, and for
// services by name, from the same snapshot and by the same decision as every other door, over UDP and TCP.
//
// What it answers to:
//
//   - A domain, shop.example.com. or test.shop.example.com., as route.Decide finds it for the DNS client's address.
//   - NAME.service.ZONE., a service by its name, behind the prefix of its cluster: redis.service.fairlead.,
//     test.redis.service.fairlead.
//   - HEX.addr.ZONE., an address written in hexadecimal (0a000001 is 10.0.0.1, 32 digits make an IPv6 address): the targets of
//     SRV records, which must be host names (RFC 2782).
//
// Only members of the priority groups that have joined are answered: those that traffic would get. SRV priorities count the
// groups up from 0, as lower is preferred there; SRV weights are the members' weights. A and AAAA answers are the members'
// addresses or, for domains of a cluster with edge addresses, those; a service by its name is always its members, since the
// edge serves no such name. A member whose address is a host name is a target in SRV answers and left out of the others.
//
// Names nobody claims are REFUSED, as we are no authority for them, so that a resolver with other servers asks those. NXDOMAIN
// is for names under the zone and for names with a cluster's prefix, and the latter alike for names that do not exist and for
// clients the cluster is not for. Give ZONE the name of a delegated domain to have NXDOMAIN for all of it. A name that exists
// has NODATA (NOERROR with a SOA record) for other types, and where no member is active. A cluster without facts is SERVFAIL.
package nameserver
