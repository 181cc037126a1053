package dispatch

import "github.com/fairlead/fairlead/proxy/balance"

// Retry moves the job to another member after a failed attempt and reports whether there is one; without one, the last stays the present
// member, whose place is given back, and nothing more is to be tried. It is for the caller to know that the request may be sent again
// (RFC 9110 §9.2.2): that no byte of a response has come, and no byte of the request was sent or repeating it does no harm. Here the
// number of retries, the pool's budget and the choice of members decide. Where nobody has accepted a connection so far, the next one may
// be of a lower priority group.
func (j *Job) Retry(f *Failure) bool {
	if f.Fatal || len(j.tried) >= j.Pool.Spec.Retries || !j.spend() {
		return false
	}
	failed := j.Member
	j.leaveMember()
	j.unmet = f.Unmet && (j.unmet || len(j.tried) == 0)
	j.tried = append(j.tried, failed)
	choose := balance.Choose
	if j.unmet {
		choose = balance.ChooseLower
	}
	if !j.takeMember(choose(j.Pool, j.hashKey(), j.tried)) {
		j.tried = j.tried[:len(j.tried)-1] // it stays the present one
		j.unspend()
		return false
	}
	return true
}

// Idempotent lists the methods of RFC 9110 §9.2.2 that are repeated.
func Idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
