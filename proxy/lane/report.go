package lane

// report tells of a request's end.
func (x *exchange) report(t *turn) {
	r := &x.record
	r.Remote, r.SNI, r.Secure = t.remote, t.sni, t.secure
	r.Conn = t.origin
	r.Method, r.Target, r.Host, r.Fields = x.req.Method, x.req.Target, x.req.Host, x.req.Fields
	r.Start, r.Duration = x.started, t.engine.now().Sub(x.started)
	r.Received = x.bodySeen
	r.Domain, r.Pool, r.Member, r.Attempts = x.job.Decision.Domain, x.job.Pool, x.job.Member, x.job.Attempts()
	x.site.Ended(r)
}
