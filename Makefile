# nginx-hotswap

PREFIX     = /usr
SYSCONFDIR = /etc
DESTDIR    =
VERSION    = $(shell packaging/version)
ARCH       = $(shell dpkg --print-architecture)

GO         = go
SBINDIR    = $(PREFIX)/sbin
UNITDIR    = $(PREFIX)/lib/systemd/system
CATALOGDIR = $(PREFIX)/lib/systemd/catalog
MANDIR     = $(PREFIX)/share/man
# Debian's zsh reads these two; where there is no vendor-completions set ZSHDIR=.
ZSHDIR     = $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
BASHDIR    = $(PREFIX)/share/bash-completion/completions
FISHDIR    = $(PREFIX)/share/fish/vendor_completions.d
# Where the bus and polkit look, wherever the program is.
DATADIR    = /usr/share

UNITS       = nginx-hotswap.service nginx-hotswap-alert@.service
MANPAGES    = nginx-hotswap.8 nginx-hotswap.conf.5 io.github.NginxHotswap1.5
COMPLETIONS = $(BASHDIR)/nginx-hotswap $(ZSHDIR)/_nginx-hotswap $(FISHDIR)/nginx-hotswap.fish

STATICCHECK = $(GO) run -modfile=packaging/tools.mod honnef.co/go/tools/cmd/staticcheck

RUNS       = 20
SEED       = 1

.PHONY: help build install uninstall deb deb-lint rpm rpm-lint man demo bench bench-quick bench-rollback test test-unit test-box test-admin test-matrix test-packages test-ansible ladder soak lint clean deps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

build: bin/nginx-hotswap ## build bin/nginx-hotswap

# Go decides itself what is up to date.
.PHONY: bin/nginx-hotswap
bin/nginx-hotswap:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.versionText=$(VERSION)' -o $@ ./cmd/nginx-hotswap

# Not build: root's PATH may have no Go, and what root runs should not compile.
install: ## install what was built (DESTDIR=, PREFIX=/usr); enables nothing
	@test -x bin/nginx-hotswap || { echo 'bin/nginx-hotswap is not there: run `make build` first' >&2; exit 1; }
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(UNITDIR)/nginx.service.d $(DESTDIR)$(CATALOGDIR)
	install -m 755 bin/nginx-hotswap $(DESTDIR)$(SBINDIR)/nginx-hotswap
	install -d $(DESTDIR)$(DATADIR)/dbus-1/system.d $(DESTDIR)$(DATADIR)/dbus-1/system-services $(DESTDIR)$(DATADIR)/polkit-1/actions
	install -m 644 packaging/dbus/io.github.NginxHotswap1.conf $(DESTDIR)$(DATADIR)/dbus-1/system.d/
	install -m 644 packaging/dbus/io.github.NginxHotswap1.service $(DESTDIR)$(DATADIR)/dbus-1/system-services/
	install -m 644 packaging/polkit/io.github.NginxHotswap1.policy $(DESTDIR)$(DATADIR)/polkit-1/actions/
	for unit in $(UNITS); do \
		sed 's|/usr/sbin/|$(SBINDIR)/|' packaging/systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit; \
	done
	install -m 644 packaging/systemd/10-nginx-hotswap.conf $(DESTDIR)$(UNITDIR)/nginx.service.d/10-nginx-hotswap.conf
	install -m 644 packaging/nginx-hotswap.catalog $(DESTDIR)$(CATALOGDIR)/
	install -d $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
	for page in $(MANPAGES); do install -m 644 packaging/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit; done
	install -d $(dir $(addprefix $(DESTDIR),$(COMPLETIONS)))
	bin/nginx-hotswap completion bash >$(DESTDIR)$(BASHDIR)/nginx-hotswap
	bin/nginx-hotswap completion zsh >$(DESTDIR)$(ZSHDIR)/_nginx-hotswap
	bin/nginx-hotswap completion fish >$(DESTDIR)$(FISHDIR)/nginx-hotswap.fish
	chmod 644 $(addprefix $(DESTDIR),$(COMPLETIONS))
	install -d $(DESTDIR)$(SYSCONFDIR)/nginx-hotswap/nginx-hotswap.conf.d $(DESTDIR)$(SYSCONFDIR)/nginx-hotswap/instance.d
	test -e $(DESTDIR)$(SYSCONFDIR)/nginx-hotswap/nginx-hotswap.conf || \
		install -m 644 packaging/etc/nginx-hotswap.conf $(DESTDIR)$(SYSCONFDIR)/nginx-hotswap/nginx-hotswap.conf

# nginx is not touched, and a cycle that runs leaves both of its masters.
uninstall: ## remove it; configuration, history and vault stay (after systemctl disable --now nginx-hotswap)
	rm -f $(DESTDIR)$(SBINDIR)/nginx-hotswap $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS) nginx.service.d/10-nginx-hotswap.conf)
	rm -f $(DESTDIR)$(DATADIR)/dbus-1/system.d/io.github.NginxHotswap1.conf
	rm -f $(DESTDIR)$(DATADIR)/dbus-1/system-services/io.github.NginxHotswap1.service
	rm -f $(DESTDIR)$(DATADIR)/polkit-1/actions/io.github.NginxHotswap1.policy
	rm -f $(DESTDIR)$(CATALOGDIR)/nginx-hotswap.catalog $(addprefix $(DESTDIR),$(COMPLETIONS))
	for page in $(MANPAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page; done
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(UNITDIR)/nginx.service.d

deb: ## build the Debian package in dist/ (VERSION=, ARCH=)
	packaging/deb/build '$(VERSION)' '$(ARCH)' dist

deb-lint: deb ## check it with lintian
	lintian --fail-on error,warning dist/nginx-hotswap_*_$(ARCH).deb

rpm: ## build the RPM package in dist/ (VERSION=, ARCH=)
	packaging/rpm/build '$(VERSION)' '$(ARCH)' dist

rpm-lint: rpm ## check it with rpmlint
	rpmlint --strict -r packaging/rpm/rpmlintrc dist/nginx-hotswap-*.rpm

man: ## check the manual pages with mandoc
	mandoc -Tlint -Wwarning $(addprefix packaging/man/,$(MANPAGES))

deps: ## install what demo and tests need (Debian packages, as root)
	./contrib/box/deps.sh

demo: deps build ## an upgrade under traffic in a throwaway machine, with its figures
	$(GO) run ./contrib/demo

bench: deps build ## everything that is measured, into contrib/bench/RESULTS.md (25 minutes)
	$(GO) run ./contrib/bench -write contrib/bench/RESULTS.md

bench-quick: deps build ## the same, few and small (90 seconds)
	$(GO) run ./contrib/bench -quick

bench-rollback: deps build ## how long the way back takes, and what it costs (RUNS=20)
	$(GO) run ./contrib/bench -runs $(RUNS) rollback

test: deps lint test-unit test-box test-packages bench-quick ## everything that CI runs

test-unit: ## unit tests and real nginx
	$(GO) test -race -shuffle=on -parallel 4 -timeout 20m ./...

BOX_TEST = CGO_ENABLED=0 $(GO) test -count=1 -p 1 -parallel 4 -tags box -timeout 30m ./supervisor/systemd ./cmd/nginx-hotswap -run
# What differs between releases of nginx and systemd.
CYCLES   = '^TestBox(TwentyCycles|Journal|)$$'

test-box: build ## tests in throwaway machines with a real systemd: this Debian and trixie
	$(BOX_TEST) '^TestBox' -skip '^TestBox(Admin|Ladder)'
	NGINX_HOTSWAP_TEST_RELEASE=trixie $(BOX_TEST) $(CYCLES)

test-admin: deps build ## each action of an administrator in each phase, with every kind of unit
	$(BOX_TEST) '^TestBoxAdmin'

test-matrix: deps build ## the same on each Debian from bullseye to forky
	for release in bullseye bookworm trixie forky; do \
		echo "== $$release"; NGINX_HOTSWAP_TEST_RELEASE=$$release $(BOX_TEST) '^TestBox' || exit 1; \
	done

# Three machines at a time; in the package's directory, or the table would not be shown.
test-packages: deps ## upgrades of nginx by apt and dpkg under traffic, with and without the package
	cd contrib/packages && CGO_ENABLED=0 $(GO) test -count=1 -tags box -parallel 3 -timeout 20m -run '^TestBox'

test-ansible: deps ## the Ansible role and playbook in a throwaway machine (needs ansible-core)
	CGO_ENABLED=0 $(GO) test -count=1 -tags box -timeout 10m ./contrib/ansible

# In the package's directory, or the tables would not be shown.
ladder: deps build ## nginx 1.18, 1.22, 1.26, 1.30 and back under traffic, with the figures of each step
	cd cmd/nginx-hotswap && CGO_ENABLED=0 $(GO) test -count=1 -tags box -timeout 20m -run '^TestBoxLadder'

soak: deps build ## random runs in one throwaway machine (RUNS=200 SEED=1)
	CGO_ENABLED=0 NGINX_HOTSWAP_SOAK_RUNS=$(RUNS) NGINX_HOTSWAP_SOAK_SEED=$(SEED) \
		$(GO) test -count=1 -v -tags box -run '^TestBoxSoak$$' -timeout 0 ./cmd/nginx-hotswap

lint: ## gofmt, go vet, go fix, staticcheck, go mod tidy
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags box,matrix ./...
	$(GO) fix -diff ./...
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags box,matrix ./...
	$(GO) mod tidy -diff

clean: ## remove what was built
	rm -rf bin dist
