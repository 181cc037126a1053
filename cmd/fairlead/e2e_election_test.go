package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead/fairlead/tools/consul"
	"github.com/fairlead/fairlead/tools/lab"
)

// TestLeaderDiesUnderLoad follows one of three Consul servers while the leader, which is another, is killed.
func TestLeaderDiesUnderLoad(t *testing.T) {
	t.Parallel() // most of it is waiting for Consul
	leader, ours, third := consul.Roles(t, consul.StartCluster(t, 3, consul.Options{}))
	port := lab.FreePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	e := lab.StartEdge(t, consulEdge(port, ours))
	backend := lab.StartBackend(t, "a", nil)
	register(t, ours, "shop.example.com", backend)
	waitStatus(t, addr, "shop.example.com", 200)
	waitCertain(t, e, "live")

	stop := underLoad(t, addr, "shop.example.com")
	leader.Kill()
	killed := time.Now()
	noticed := waitDoubt(t, e, "live", "")
	t.Logf("in doubt after %v: %+v", noticed, doubtsOf(t, e, "live"))
	if err := third.WaitLeader(time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, third.Log())
	}
	elected := time.Since(killed)
	register(t, third, "late.example.com", backend)
	served := waitStatus(t, addr, "late.example.com", 200)
	certain := waitCertain(t, e, "live")
	stop()
	t.Logf("elected after %v, then a new domain served after %v, no doubt %v later", elected, served, certain)
}
