// Package command adds Fairlead's commands to Caddy's, gives the program its name, and switches off those of Caddy's commands that would
// put another program in its place.
package command
