// Package admin is the HTTP API by which operators see what the edge knows, ask it why it decides as it does, and give orders.
//
// Every answer is JSON with stable field names and comes from one snapshot, whose version it carries in the header X-Fairlead-Version.
// The API keeps no state and decides nothing. Who may reach it is the business of the endpoint it is mounted in.
package admin
