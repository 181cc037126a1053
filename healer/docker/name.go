package docker

import (
	"strconv"
	"strings"
)

// The labels of a container of ours.
const (
	labelDomain     = "io.fairlead.domain"
	labelSlot       = "io.fairlead.slot"
	labelGeneration = "io.fairlead.generation"
	labelOwner      = "io.fairlead.owner"
	// labelSpec is a fingerprint of what the container was made from.
	labelSpec = "io.fairlead.spec"

	labelPrefix = "io.fairlead."
	// swarmService is on every container that Swarm runs.
	swarmService = "com.docker.swarm.service.name"

	defaultOwner = "fairlead"
)

// place is what a container's name and labels say: which slot of which domain it takes, and as which generation.
type place struct {
	domain           string
	slot, generation int
}

// name is the container's name, by which the engine fences.
func (p place) name() string {
	return safeName(p.domain) + "." + strconv.Itoa(p.slot) + "." + strconv.Itoa(p.generation)
}

// labels are those of the container of an owner.
func (p place) labels(owner string) map[string]string {
	return map[string]string{
		labelDomain:     p.domain,
		labelSlot:       strconv.Itoa(p.slot),
		labelGeneration: strconv.Itoa(p.generation),
		labelOwner:      owner,
	}
}

// placeOf reads a container's labels. Only with all of them, and of this owner, it is one of ours.
func placeOf(labels map[string]string, owner string) (place, bool) {
	slot, err1 := strconv.Atoi(labels[labelSlot])
	generation, err2 := strconv.Atoi(labels[labelGeneration])
	p := place{labels[labelDomain], slot, generation}
	ours := err1 == nil && err2 == nil && slot > 0 && generation > 0 && p.domain != "" && labels[labelOwner] == owner
	return p, ours
}

// takesName reports whether a container's name, as the engine lists it with a slash, is one that copies of the domain get.
func takesName(name, domain string) bool {
	rest, found := strings.CutPrefix(strings.TrimPrefix(name, "/"), safeName(domain)+".")
	if !found {
		return false
	}
	slot, generation, found := strings.Cut(rest, ".")
	return found && isNumber(slot) && isNumber(generation)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// safeName writes a domain as Docker allows names: [a-zA-Z0-9][a-zA-Z0-9_.-]+. The underscore, which no host name has, keeps what was
// changed apart from every other domain; labels hold the domain itself.
func safeName(domain string) string {
	base, wild := strings.CutPrefix(strings.ToLower(domain), "*.")
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, base)
	switch {
	case wild:
		return "wildcard_" + safe
	case safe == "" || strings.ContainsAny(safe[:1], "._-"):
		return "domain_" + safe
	}
	return safe
}
