# What can be done here? `make` alone prints the menu. Every target sets up .venv by itself (contrib/setup).
.DEFAULT_GOAL := help
.PHONY: help run demo-rgb peer test quick lint bench crash fuzz docs man generate clean setup bitcoind ldk

BIN := .venv/bin
PYTEST := $(BIN)/pytest

# The layers that need no I/O, the tests of the project itself, and one payment between two whole nodes.
PURE := sdk wire crypto tx peer channel routing providers
QUICK := $(addprefix tests/,$(PURE)) $(wildcard tests/test_*.py) tests/e2e/test_first_light.py

# $(call program,module,when): run a module, or say plainly that it is not written yet.
program = $(if $(wildcard $(subst .,/,$1).py $(subst .,/,$1)/__main__.py),$(BIN)/python -m $1,\
	@echo "make $@: not written yet (python -m $1); it comes with $2." >&2; exit 1)

help: ## this menu
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## two nodes pay each other on a chain of their own, then a shell
	@$(BIN)/python -m contrib.story

demo-rgb: setup bitcoind ## an RGB asset moves inside a channel between two nodes
	@$(BIN)/python -m contrib.story --rgb

peer: setup ## a bitcoind and an LDK node to open channels with
	@$(BIN)/python -m contrib.ldk

# Whole nodes share a machine with hundreds of others here: what fails beside them is named, has to pass by itself, and
# is a fault all the same, of the test or worse.
test: lint bitcoind ldk ## lint, then every test
	$(PYTEST) -n 2 --dist worksteal || { [ $$? -eq 1 ] || exit 2; \
	echo "make test: what failed beside the others is run once more, by itself" >&2; \
	$(PYTEST) --last-failed --last-failed-no-failures none; }

quick: setup ## the pure layers and one payment between two nodes
	$(PYTEST) -n 2 --dist worksteal $(QUICK)

lint: setup ## ruff, mypy --strict over lnpd and the SDK, the layer test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(PYTEST) -q tests/test_layers.py tests/test_project.py

bench: setup ## the table of speeds and ratios, each beside its goal
	$(call program,contrib.bench,stage 5)

crash: setup bitcoind ## power cuts everywhere, and kill -9 at each point of payments and of the way home
	$(PYTEST) -n 2 --dist worksteal $(wildcard tests/e2e/test_crash_*.py)
	LNPD_DEATHS=every $(PYTEST) -n 2 --dist worksteal tests/interop/test_rgb_homes.py
	$(BIN)/python -m tests.crash

fuzz: setup ## the wire, from a peer's side and a stranger's, for MINUTES=10
	@$(BIN)/python -m tests.fuzz

docs: setup ## the documentation that is printed from tables in the code
	$(call program,contrib.docs,stage 2)

man: setup ## the pages of the manual, into build/man/man1
	@$(BIN)/lnp man --write build/man/man1

generate: setup ## messages from lnpd/wire, a client's methods from lnpd/rpc
	$(call program,lnpd.wire.generate,stage 1)
	$(call program,lnpd.rpc.generate,stage 1)

clean: ## remove .venv, caches and build products
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .cache build dist sdk/build sdk/dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@contrib/setup

# A real node for the tests that need one. Without it they are skipped by name; in CI it has to be there.
bitcoind:
	@contrib/regtest/get-bitcoind >/dev/null || [ "$$CI" != true ]

# A peer that is not ours, and what a plugin in JavaScript needs, likewise.
ldk:
	@contrib/ldk/get-ldk >/dev/null || [ "$$CI" != true ]
	@contrib/examples/get-javascript >/dev/null || [ "$$CI" != true ]
