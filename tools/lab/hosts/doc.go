// Package hosts is the laboratory: several hosts on one network of this machine, each with a Docker engine and a Consul server of its
// own, in one Swarm and one Consul cluster. Hosts can be powered off and on, cut off, and have their engine paused or restarted.
//
// A host is a set of Linux namespaces (network, mounts, processes, host name, IPC). Inside, the usual paths are the host's own: /run,
// /etc/docker and /var/lib/docker. Its first process ends with the lab's, however that ends, and everything in the host with it: the
// kernel leaves no process, mount, interface or filter rule. Only folders and empty control groups are the lab's to remove.
//
// It needs Linux, root, iproute2, iptables, dockerd and a Consul binary. Tests skip where those are missing, and fail where
// FAIRLEAD_REQUIRE names hosts.
package hosts
