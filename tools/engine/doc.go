// Package engine gives tests a Docker engine: the real one of this machine, with an image of its own and Swarm mode if wanted, or a
// scripted one that gives recorded answers. It is for testing only.
package engine
