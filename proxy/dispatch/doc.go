// Package dispatch finds the member for a request: by the decision of package route, within the limits of its pool and of the members,
// and another member where one has failed. It is what every door for HTTP does alike, and does no input or output of its own but to
// wait for a place.
package dispatch
