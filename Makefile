# The two commands for a newcomer are `make demo` and `make test`.

GO = CGO_ENABLED=0 go
# jeton speaks HTTP/1.1 only, and so need not bring net/http's HTTP/2. Functions that begin
# at each 16 bytes, not 32, save 0.1 MB.
RELEASE = -tags nethttpomithttp2 -trimpath -ldflags '-s -w -funcalign=16' $(COLD:%=-gcflags=%=-l) $(WARM:%=-gcflags=%=)
# Functions are inlined on the warm path only, and in the standard library. Elsewhere jeton
# waits for an issuer, and a smaller program starts sooner. That saves 0.7 MB.
COLD = github.com/... go.yaml.in/... mvdan.cc/...
WARM = github.com/jeton-cli/jeton/cache/hit
OUT = jeton
PARTS = ./... ./testdata/embedded ./testdata/screen ./testdata/pictures ./testdata/documents ./testdata/demo ./testdata/wheel ./testdata/bench/...
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SYSTEMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: build install wheel demo pictures test test-clients torture test-servers lint bench clean
build: ## build ./jeton
	$(GO) build $(RELEASE) -o $(OUT) .

install: ## install jeton where go puts programs
	$(GO) install $(RELEASE) .

wheel: ## make the plugin of keystoneauth, as a wheel that pip installs
	$(GO) run ./testdata/wheel $(or $(WHEEL),.)

demo: build ## show jeton at work, on an embedded Keystone
	go run ./testdata/demo $(CURDIR)/jeton

pictures: build ## make the pictures of the README anew
	go run ./testdata/pictures $(CURDIR)/jeton docs

test: test-servers ## run all tests, with the real servers and clients
	PATH="$(CURDIR)/.test/bin:$$PATH" testdata/cloud/with testdata/test

test-clients: test-servers ## run the tests with the big clients: a browser, OpenTofu, an API server, and AWS's over minutes
	PATH="$(CURDIR)/.test/bin:$$PATH" testdata/cloud/with testdata/test-clients

torture: test-servers ## run the tests that count very high, with the whole count
	PATH="$(CURDIR)/.test/bin:$$PATH" JETON_TEST_TORTURE=1 go test -count=1 -v -timeout 30m -run 'As|LikeBash|Storm|Killed|FleetHosts|Explore' ./internal/cli ./plugin/... ./cache

test-servers: ## install what the tests need, as far as that is allowed
	testdata/cloud/install .test

lint: ## check the code, and build it for every system
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go mod tidy -diff
	go vet $(PARTS)
	go run $(STATICCHECK) $(PARTS)
	@if go list -deps . | grep testdata; then echo 'jeton must not import its tests'; exit 1; fi
	@for system in $(SYSTEMS); do \
		echo "go build for $$system"; \
		GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) build -o /dev/null . && \
		GOOS=$${system%/*} GOARCH=$${system#*/} $(GO) vet ./... || exit 1; \
	done

bench: build ## measure jeton beside a program that prints a file
	mkdir -p .test/bench
	$(GO) build $(RELEASE) -o .test/bench/ . ./testdata/bench/hello ./testdata/bench/rss
	go run ./testdata/bench $(CURDIR)/.test/bench
	JETON_BENCH=1 go test -count=1 -v -timeout 20m -run TestFleetDay ./cache

clean: ## remove what was built
	rm -rf jeton keystoneauth_jeton-*.whl .test
