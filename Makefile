# The everyday commands. None is needed to use Fairlead: README.md has what is.

# The programs that tests may not skip; .ci/run installs them.
REQUIRE = consul,curl,dig,nginx,haproxy,wrk,h2load,dnsperf,docker,hosts

# Packages with concurrency of their own and without Caddy below them, whose race build alone takes minutes.
CONCURRENT = ./discovery/... ./proxy/... ./healer/... ./admin/...

# How many inputs a fuzz target gets: a count, since Go 1.26's fuzzer fails now and then with "context deadline exceeded" when
# a time runs out while a worker is busy (go.dev/issue/75804).
FUZZTIME = 20000x

.PHONY: build test require vet race fuzz bench profile soak lab faults lab-faults ci

build:
	go build -o bin/fairlead ./cmd/fairlead

test:
	go test ./...

# The tests with every real part: fails where one is missing.
require:
	FAIRLEAD_REQUIRE=$(REQUIRE) go test -count=1 ./...

vet:
	go vet ./...
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted: $$unformatted"; exit 1; }

race:
	go test -race $(CONCURRENT)

# Every fuzz target with FUZZTIME inputs, one after another.
fuzz:
	@git grep -hoE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' >/dev/null || { echo "there is no fuzz target"; exit 1; }
	@git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | while IFS=: read -r file target; do \
		go test -run '^$$' -fuzz "^$${target#func }$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
	done

# Every measurement: the programs under tools/bench, each of which prints its table, and the benchmarks of the centre. They want a
# machine to themselves.
bench:
	@for dir in tools/bench/*/; do echo "== $$dir"; go run "./$$dir" || exit 1; done
	go test -run '^$$' -bench 'BuildOneChange|LoadChoose|Respond' ./proxy/pool ./proxy/balance ./proxy/nameserver

# Profiles the lane's engines and net/http under load. go build makes of it a program that takes a few percent less CPU (go.dev/doc/pgo):
# to be taken again when the way of a request has changed much.
profile:
	go run ./tools/bench/http -check=false -peers fairlead-loop,fairlead-portable,fairlead-off -rounds 1 -seconds 8 \
		-scenarios keepalive,headers,16k,tls,handshake,connection -profile cmd/fairlead/default.pgo

# Ten minutes of mixed load on each of the lane's engines, while members come, go, drain and die and the configuration is loaded twice a
# minute. The test that CI runs is shorter.
soak:
	go test ./cmd/fairlead -count=1 -timeout 1h -v -run TestSoak -soak 10m -engines loop,portable

# A laboratory of three hosts in one Swarm, each with a Docker engine, a Consul server and a fairlead agent, and two edges that keep a web
# service up: prints its map and runs until it is interrupted. It needs root, and leaves nothing. LAB has its flags:
# make lab LAB='-hosts 5 -heartbeat 1s'
lab: build
	go build -o bin/lab ./tools/lab/hosts/cmd
	FAIRLEAD_BINARY=$(CURDIR)/bin/fairlead bin/lab $(LAB)

# The faults of tools/lab/faults with timers of a twentieth: five minutes. It prints their table, and the log of what failed. FAULTS
# chooses: make faults FAULTS=healers/19
faults:
	cd tools/lab/faults && FAIRLEAD_REQUIRE=consul,hosts,faults go test -count=1 -timeout 40m -run 'TestFaults/$(FAULTS)'

# The same with the built-in timers: half an hour.
lab-faults:
	cd tools/lab/faults && FAIRLEAD_REQUIRE=consul,hosts,faults go test -count=1 -timeout 2h -run 'TestFaults/$(FAULTS)' -args -shorten 1 -labs 6

ci:
	.ci/run
