# The front door. `make` lists what there is; everything behind it is cargo, cmake and ctest.

BUILD     ?= build
PREFIX    ?= /usr/local
RECORDING ?= examples-c/data/usb-mouse.hid
# One place for everything that cargo builds, so that the tests and the library share it.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
	    awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

.PHONY: demo
demo: configure ## stream the shipped recording, or DEVICE=/dev/hidrawN, or DEVICE=046d:c52b
	@cmake --build $(BUILD) --target stream_hid
	@$(BUILD)/stream_hid $(if $(DEVICE),"$(DEVICE)",$(RECORDING))

.PHONY: build
build: configure ## build the library, the examples and the test programs
	@cmake --build $(BUILD)

.PHONY: test
test: test-tools ## run everything that can be tested on this machine
	cargo test --workspace
	@$(MAKE) build
	ctest --test-dir $(BUILD) --output-on-failure --parallel 2 --label-exclude '^all$$'

.PHONY: test-all
test-all: ## run the longer tests: packaging, other languages, docs, reliability
	@scripts/tools.sh all
	@$(MAKE) build
	ctest --test-dir $(BUILD) --output-on-failure --parallel 2 --label-regex '^all$$'

MINUTES ?= 30
.PHONY: soak
soak: build ## run everything at once for MINUTES (default 30), then unplug and replug in the virtual machine as long
	$(BUILD)/soak $$(($(MINUTES) * 60))
	@tests/soak/vm.sh $(BUILD) $$(($(MINUTES) * 60))

.PHONY: bench-hid
bench-hid: build ## compare HID streaming with a plain loop and with the C library hidapi, in the virtual machine
	@tests/hid-vm/bench/run.sh $(BUILD)

.PHONY: bench
bench: ## measure beside other libraries (ROWS=a,b: only those); prints tables, writes docs/performance.md
	@scripts/tools.sh bench
	@cmake -S . -B $(BUILD) --log-level=WARNING
	@cmake --build $(BUILD) --target dmf_bench
	$(BUILD)/dmf_bench $(if $(ROWS),--only $(ROWS),--save docs/performance.tsv)
	$(if $(ROWS),,scripts/performance.py docs/performance.tsv)

.PHONY: fuzz
fuzz: test-tools ## run the fuzz targets, each for SECONDS=60; TARGET=calls: one of them
	@fuzz/run.sh $(BUILD) build
	@fuzz/run.sh $(BUILD) $(or $(SECONDS),60) $(or $(TARGET),$(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))))

.PHONY: headers
headers: ## generate the headers, the lists of symbols and of ABI facts, and the third-party notices
	cargo run --quiet -p xtask -- headers
	cargo run --quiet -p xtask -- symbols
	cargo run --quiet -p xtask -- abi
	cargo run --quiet -p xtask -- notices

.PHONY: docs
docs: ## build the documentation's site below build/docs
	@scripts/tools.sh all
	@scripts/docs.sh $(BUILD)

.PHONY: install
install: configure ## install below PREFIX (default /usr/local)
	@cmake --build $(BUILD) --target dmf_cargo
	cmake --install $(BUILD) --prefix "$(PREFIX)"

.PHONY: uninstall
uninstall: ## remove what make install installed last (with the same DESTDIR)
	cmake -P $(BUILD)/Uninstall.cmake

.PHONY: abi
abi: build ## write the dump of the C ABI that test-all compares with
	tests/abi.sh $(BUILD) $(or $(CC),cc) $$(cat abi/version) --write

.PHONY: package
package: tools ## make Debian packages and a tarball in build/package/packages (MAINTAINER="Name <address>")
	@cmake -S . -B $(BUILD)/package --log-level=WARNING -DCMAKE_INSTALL_PREFIX=/usr -DDMF_DEBIAN=ON \
	    -DDMF_BUILD_EXAMPLES=OFF -DDMF_BUILD_TESTS=OFF $(if $(MAINTAINER),-DDMF_MAINTAINER='$(MAINTAINER)')
	@cmake --build $(BUILD)/package
	@cd $(BUILD)/package && cpack

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)
	cargo clean

.PHONY: tools test-tools
tools:
	@scripts/tools.sh build
test-tools:
	@scripts/tools.sh test

.PHONY: configure
configure: tools
	@cmake -S . -B $(BUILD) --log-level=WARNING
