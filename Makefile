# Everything a newcomer needs is `make run` and `make test`; `make help` lists the rest.
SHELL       := /bin/bash
BUILD       := build
BINARY      := $(BUILD)/plexus
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
SDK_VERSION := github.com/cosmos/cosmos-sdk/version
LDFLAGS     := -s -w -X $(SDK_VERSION).Name=plexus -X $(SDK_VERSION).AppName=plexus \
               -X $(SDK_VERSION).Version=$(VERSION) -X $(SDK_VERSION).Commit=$(COMMIT)
export CGO_ENABLED := 1

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## build the binary into build/
	go build -trimpath -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/plexus

.PHONY: runtime
runtime: build ## fetch ONNX Runtime into the user's cache
	$(BINARY) runtime fetch

.PHONY: run
run: runtime ## run a whole network on this machine and show it working
	$(BINARY) localnet --for 8

.PHONY: tools
tools: ## build the pinned code generators and linters into bin/
	cd tools && go build -o ../bin/ tool

.PHONY: proto
proto: tools ## generate Go from the .proto files (needs protobuf-compiler)
	scripts/proto.sh

.PHONY: lint
lint: tools ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l cmd chain client consensus miner models proto subnet validator 2>/dev/null)" || \
		{ echo 'run gofmt on:'; gofmt -l cmd chain client consensus miner models proto subnet validator; exit 1; }
	go vet ./...
	bin/staticcheck ./...

.PHONY: test
test: lint runtime ## all tests
	go test ./... -count=1 -timeout 20m

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD) bin
