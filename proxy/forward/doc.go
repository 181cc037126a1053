// Package forward is the door behind net/http: it serves one request of any HTTP version by a member that package dispatch
// finds for it. What it sends is framed anew, header by header, so that nothing a client wrote decides where a message ends.
//
// No Via is added, as by most gateways: nginx as a member would stop compressing. A client's own Via passes.
//
// Nothing of a response is written before a member has answered, so that everything that goes wrong until then is a Refusal, which
// the caller turns into an error page. What goes wrong later aborts the client's connection: a cut response never looks whole.
package forward
