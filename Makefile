# Everything a newcomer needs is `make run` and `make test`; `make help` lists the rest.
SHELL       := /bin/bash
BUILD       := build
BINARY      := $(BUILD)/plexus
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
SDK_VERSION := github.com/cosmos/cosmos-sdk/version
LDFLAGS     := -s -w -X $(SDK_VERSION).Name=plexus -X $(SDK_VERSION).AppName=plexus \
               -X $(SDK_VERSION).Version=$(VERSION) -X $(SDK_VERSION).Commit=$(COMMIT)
# One set of flags for building, vetting and testing, so that they share one cache.
export GOFLAGS     := -trimpath -buildvcs=false
export CGO_ENABLED := 1

# Packages whose tests also run under the race detector: all that is concurrent and not the SDK's.
RACE := ./client/... ./consensus/... ./gateway/... ./miner/... ./models/... ./sims/economy/... ./sims/experiment ./sims/serve ./subnet/... ./validator/... ./chain/localnet/supervisor

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: build
build: ## build the binary into build/
	go build -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/plexus

.PHONY: runtime
runtime: build ## fetch ONNX Runtime into the user's cache (once)
	$(BINARY) runtime fetch

.PHONY: run
run: runtime ## run a whole network on this machine and show it working
	$(BINARY) localnet --for 8

.PHONY: test
test: lint runtime ## all tests
	go test -timeout 30m ./...
	cd tools && go test ./...
	go test -race -short -timeout 20m $(RACE)

.PHONY: bench
bench: runtime ## all benchmarks, with ratios to other implementations in the same run
	go test -run '^$$' -bench . -benchtime 0.5s -timeout 60m $$(git grep -l '^func Benchmark' -- '*_test.go' ':!miner' | xargs -n1 dirname | sort -u | sed 's|^|./|')

.PHONY: fuzz
fuzz: runtime ## every fuzz target for FUZZTIME (30s)
	scripts/fuzz.sh $(or $(FUZZTIME),30s)

.PHONY: test-emulation
test-emulation: ## consensus and subnet on arm64, s390x and 386 (needs qemu-user-static)
	scripts/emulate.sh

.PHONY: test-sim
test-sim: ## the chain under random operations: 5 seeds of 500 blocks, export and import, determinism
	go test -tags sim -count=1 -timeout 30m -v -run Simulation ./chain/app

.PHONY: test-chaos
test-chaos: ## four nodes killed and parted for ten minutes (needs root for the partition)
	go test -tags chaos ./e2e/chaos -v -count=1 -timeout 60m

.PHONY: test-dishonest
test-dishonest: runtime ## everybody dishonest at once in a network of real processes, and what they earn
	PLEXUS_BINARY=$(CURDIR)/$(BINARY) go test -tags dishonest ./e2e/dishonest -v -count=1 -timeout 20m

.PHONY: test-paid
test-paid: runtime ## 100 000 paid requests on a real chain, miners killed and channels closed at random, and the books of all
	PLEXUS_BINARY=$(CURDIR)/$(BINARY) go test -tags paid ./e2e/paid -v -count=1 -timeout 20m -run HundredThousand

.PHONY: test-hostile
test-hostile: runtime ## attack a miner for 30 minutes
	PLEXUS_MINER_TEST_HOSTILE=30m go test -count=1 -timeout 40m -v -run HostileLoad ./miner

.PHONY: test-million
test-million: runtime ## memory of a miner over a million requests
	PLEXUS_MINER_TEST_REQUESTS=1000000 go test -count=1 -timeout 40m -v -run MemoryStaysFlat ./miner

.PHONY: test-foreign
test-foreign: runtime ## a miner and a gateway against grpcurl, ghz and KServe
	scripts/foreign_clients.sh
	PLEXUS_FOREIGN_CLIENTS=$(CURDIR)/bin/foreign go test -count=1 -v -run 'Grpcurl|Ghz|KServe' ./miner ./gateway

.PHONY: bench-serve
bench-serve: runtime ## a miner beside a bare session loop; what batching brings
	go test -run '^$$' -bench 'BenchmarkServe/50us' -benchtime 8000x ./miner
	go test -run '^$$' -bench 'BenchmarkServe/5ms' -benchtime 200x ./miner
	go test -run '^$$' -bench BenchmarkBatching -benchtime 3000x -timeout 20m ./miner

.PHONY: lint
lint: tools ## gofmt, go vet, staticcheck and the rules of state transitions
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || \
		{ echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	bin/staticcheck ./...
	scripts/lint-determinism.sh

.PHONY: tools
tools: ## build the pinned code generators and linters into bin/
	cd tools && go build -o ../bin/ tool

.PHONY: test-deploy
test-deploy: ## systemd unit, Helm chart and Dockerfiles by the programs that read them
	cd deploy/check && GOFLAGS= go test -count=1 .

.PHONY: proto
proto: tools ## generate Go from the .proto files (needs protobuf-compiler)
	scripts/proto.sh

.PHONY: docs
docs: ## work out the pages that are computed, docs/presets.md and docs/studies.md, and their figures
	go test -count=1 ./sims/presets -run Page -update
	go test -count=1 ./sims/studies -run Page -update

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD) bin
