// Package swarm keeps replicated Swarm services at their count. Swarm does the scheduling: all that is ever written is a higher number
// of replicas, fenced by the service's version index, and all else that can be done to a service is to stop the container of one task
// for Swarm to replace it. An update that runs, is paused or rolls back is never touched.
package swarm
