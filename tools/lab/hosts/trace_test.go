package hosts

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mark is what tells a lab's parts from everything else on this machine.
type mark struct {
	dir, group, uplink string
	subnet             netip.Prefix
	// spaces are its namespaces, "net:[4026531840]".
	spaces map[string]string
}

// markOf notes a lab's marks while it is up.
func markOf(t *testing.T, l *Lab) *mark {
	t.Helper()
	m := &mark{dir: l.Dir, group: l.group(), uplink: l.net.uplink, subnet: l.net.subnet, spaces: map[string]string{}}
	m.note(t, l.net.sw)
	for _, h := range l.Hosts {
		m.note(t, h.machine)
	}
	return m
}

func (m *mark) note(t *testing.T, of *machine) {
	t.Helper()
	for _, kind := range of.spaces {
		id, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", of.pid(), kind))
		if err != nil {
			t.Fatal(err)
		}
		m.spaces[id] = of.name
	}
}

// traces lists, by kind, what this machine has with the lab's marks.
func (m *mark) traces(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	add := func(kind, what string) { found[kind] = append(found[kind], what) }
	if _, err := os.Stat(m.dir); err == nil {
		add("folder", m.dir)
	}
	for _, dir := range groupFolders(m.group) {
		add("control group", dir)
	}
	m.addInterfaces(t, add)
	m.addTasks(t, add)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := exec.Command("iptables-save").Output()
	if err != nil {
		t.Fatalf("listing filter rules: %v", err)
	}
	network, _, _ := strings.Cut(m.subnet.String(), ".0/")
	for line := range strings.Lines(string(mounts) + string(rules)) {
		if strings.Contains(line, m.dir) || strings.Contains(line, m.uplink) || strings.Contains(line, network+".") || m.hasSpace(line) {
			add("mount or rule", line)
		}
	}
	return found
}

func (m *mark) hasSpace(line string) bool {
	for id := range m.spaces {
		if strings.Contains(line, id) {
			return true
		}
	}
	return false
}

func (m *mark) addInterfaces(t *testing.T, add func(kind, what string)) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Name == m.uplink {
			add("interface", i.Name)
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(m.subnet) {
			add("address", a.String())
		}
	}
}

// addTasks adds the processes that run from the lab's folder and the threads, this process's own included, in one of its namespaces.
func (m *mark) addTasks(t *testing.T, add func(kind, what string)) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		line, _ := os.ReadFile(task + "/cmdline") // of one that has ended there is nothing to say
		if strings.Contains(string(line), m.dir) {
			add("process", task+" "+string(line))
		}
		for _, kind := range wholeHost {
			if id, err := os.Readlink(task + "/ns/" + kind); err == nil && m.spaces[id] != "" {
				add("thread", fmt.Sprintf("%s is in %s of %s: %s", task, id, m.spaces[id], line))
			}
		}
	}
}

// expectUp fails the test unless a running lab leaves traces of the kinds that expectNone looks for: a look that finds nothing now
// would find nothing later.
func (m *mark) expectUp(t *testing.T) {
	t.Helper()
	found := m.traces(t)
	for _, kind := range []string{"folder", "control group", "interface", "address", "process", "thread"} {
		if len(found[kind]) == 0 {
			t.Errorf("a running lab shows no %s", kind)
		}
	}
}

// expectNone fails the test if anything of the lab is left a moment after its end.
func (m *mark) expectNone(t *testing.T, except ...string) {
	t.Helper()
	var found map[string][]string
	for range 100 {
		found = m.traces(t)
		for _, kind := range except {
			delete(found, kind)
		}
		if len(found) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	for kind, all := range found {
		t.Errorf("left behind, %s:\n%s", kind, strings.Join(all, "\n"))
	}
}

// children counts this process's child processes, zombies included.
func children(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, stat := range stats {
		text, _ := os.ReadFile(stat) // of one that has ended there is nothing to count
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) {
			count++
		}
	}
	return count
}
