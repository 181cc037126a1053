// Package lane is the door for HTTP/1.1 below net/http: it serves plain requests for discovered domains at the cost of little more than
// their system calls, and hands every other one over, unread, to the server it stands before.
//
// A connection is served by a machine of states (turn), which knows HTTP and no sockets. Two engines drive it: the portable one with a
// goroutine per connection, over any net.Conn; and, on Linux, one loop over epoll per processor, which owns its sockets. What decides
// about a request is package dispatch, as for every door.
//
// The lane is strict. What two programs could read differently is refused, not handed over, since the server behind it might be
// laxer; and nothing is sent to a member but what the lane has understood and written itself.
package lane
