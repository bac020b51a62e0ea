# The two commands for a newcomer are `make demo` and `make test`.

GO = CGO_ENABLED=0 go
# jeton speaks HTTP/1.1 only, and so need not bring net/http's HTTP/2. Functions that begin
# at each 16 bytes, not 32, save 0.1 MB.
RELEASE = -tags=nethttpomithttp2 -trimpath '-ldflags=$(LDFLAGS)' $(COLD:%=-gcflags=%=-l) $(WARM:%=-gcflags=%=)
LDFLAGS = -s -w -funcalign=16
# Functions are inlined on the warm path only, and in the standard library. Elsewhere jeton
# waits for an issuer, and a smaller program starts sooner. That saves 0.7 MB.
COLD = github.com/... go.yaml.in/... mvdan.cc/...
WARM = github.com/jeton-cli/jeton/cache/hit
OUT = jeton
GORELEASER = github.com/goreleaser/goreleaser/v2@v2.15.1
CYCLONEDX = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
PARTS = ./... ./testdata/embedded ./testdata/screen ./testdata/pictures ./testdata/documents ./testdata/demo ./testdata/wheel ./testdata/bench/...
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
SYSTEMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: build install release release-snapshot release-parts image wheel demo pictures test test-clients torture test-servers lint bench clean
build: ## build ./jeton
	$(GO) build $(RELEASE) -o $(OUT) .

install: ## install jeton where go puts programs
	$(GO) install $(RELEASE) .

wheel: ## make the plugin of keystoneauth, as a wheel that pip installs
	$(GO) run ./testdata/wheel $(or $(WHEEL),.)

release-snapshot: release-parts ## make all packages of this commit below .release/dist, as a release does
	$(RELEASER) release --clean --snapshot --skip=sign,docker

release: release-parts ## make the packages of a tag, sign them, and publish them
	$(RELEASER) release --clean

release-parts:
	rm -rf .release/completions .release/man .release/share .release/image
	cd testdata/release && $(GO) build -o ../../.release/parts .
	.release/parts .release
	GOBIN="$(CURDIR)/.release" $(GO) install $(CYCLONEDX)

# The program's flags go on to the releaser, so that they stand here only.
RELEASER = RELEASE="$(RELEASE) -buildvcs=true" LDFLAGS='$(LDFLAGS)' PATH="$(CURDIR)/.release:$$PATH" \
	COMMIT_TIME=$$(git log -1 --format=%ct) COMMIT_DATE=$$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ) \
	go run $(GORELEASER)

image: release-parts ## make the container image of this commit, with podman
	$(GO) build $(RELEASE) -o .release/image/linux/$$(go env GOARCH)/jeton .
	mkdir .release/image/.release
	cp .release/ca-certificates.crt .release/THIRD-PARTY-LICENSES .release/kept.tar .release/image/.release
	cp LICENSE .release/image
	podman build --timestamp 0 -t jeton -f .github/Containerfile .release/image

demo: build ## show jeton at work, on an embedded Keystone
	go run ./testdata/demo $(CURDIR)/jeton

pictures: build ## make the pictures of the README anew
	go run ./testdata/pictures $(CURDIR)/jeton docs

test: test-servers ## run all tests, with the real servers and clients
	PATH="$(CURDIR)/.test/bin:$$PATH" testdata/cloud/with testdata/test

test-clients: test-servers ## run the tests with the big clients, of the packages, and on other systems
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
	cd testdata/release && go mod tidy -diff && go vet . && go run $(STATICCHECK) .
	go run $(ACTIONLINT)
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
	rm -rf jeton keystoneauth_jeton-*.whl .test .release
