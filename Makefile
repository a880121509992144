# Every target sets itself up: Python 3.11+, make and a C compiler are all that must be there.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
# Tests at once: one more than the machine that holds us to six minutes has cores, because some wait.
WORKERS ?= 3
# A variable that is empty is not set: some images forbid Python to keep what it has compiled, and each of the hundreds
# of processes that the tests start would compile the project anew.
test test-long test-flaky: export PYTHONDONTWRITEBYTECODE =
# How often `make test-flaky` runs the suite, with how many tests at once, and beside how many busy loops.
RUNS ?= 10
FLAKY_WORKERS ?= 4
BUSY ?= 0
# The tests of the page's modules, and the packages they need; node itself comes with Python's.
SCRIPTS := tests/web/static
MODULES := $(SCRIPTS)/node_modules/.installed
TSC := $(BIN)/node $(SCRIPTS)/node_modules/typescript/bin/tsc

LOCK := $(BIN)/uv pip compile pyproject.toml --upgrade --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate

.PHONY: install serve test test-long test-flaky check format package release docs site lock bench browser clean

install: $(RUNTIME)

serve: $(RUNTIME)
	$(BIN)/niyosha serve

test: $(DEVELOPMENT) $(MODULES) browser
	$(BIN)/node --test --test-reporter=dot $(SCRIPTS)/*/*.test.js
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# The same files with more: further seeds and examples, soaking, asyncio's debug mode, and branch coverage, in
# subprocesses too, which costs half as much again (Python 3.11 has no sys.monitoring, which would make it cheap).
test-long: export TEST_TIER = long
test-long: $(DEVELOPMENT) $(MODULES) browser
	$(BIN)/node --test --test-reporter=dot $(SCRIPTS)/*/*.test.js
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
		--override-ini asyncio_debug=true --override-ini timeout=1200
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Prints each test that did not pass every time.
test-flaky: $(DEVELOPMENT) browser
	$(BIN)/python -m tests.flaky --runs $(RUNS) --workers $(FLAKY_WORKERS) --busy $(BUSY)

check: $(DEVELOPMENT) $(MODULES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TSC) --project $(SCRIPTS)/tsconfig.json
	$(TSC) --project $(SCRIPTS)/tsconfig.worklet.json
	$(TSC) --project $(SCRIPTS)/tsconfig.tests.json

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The packages of the commit, in dist/, after the tests of such a build: the server's, the two clients', the weights'.
package: $(DEVELOPMENT) $(MODULES)
	TEST_TIER=long $(BIN)/pytest tests/shipping/test_package.py tests/shipping/test_clients.py
	rm -rf dist .artefacts && mkdir -p .artefacts/server dist
	git archive HEAD | tar --extract --directory .artefacts/server
	cd .artefacts/server && ../../$(BIN)/python -m hatchling build --directory ../../dist
	for name in client model npm; do \
		(cd .artefacts/server && ../../$(BIN)/python -m deploy.packages.stage $$name ../$$name) || exit 1; done
	cd .artefacts/client && ../../$(BIN)/python -m hatchling build --directory ../../dist
	cd .artefacts/model && ../../$(BIN)/python -m hatchling build --target wheel --directory ../../dist
	$(TSC) --project .artefacts/npm/tsconfig.json
	$(BIN)/npm pack ./.artefacts/npm --pack-destination dist --loglevel=error
	rm -rf .artefacts

# Prepares a release on a clean main: version, changelog, commit, tag; what is pushed and published is up to you.
release: $(DEVELOPMENT)
	@test -n "$(VERSION)" || { echo "give the version, as in: make release VERSION=0.2.0"; exit 2; }
	@test -z "$$(git status --porcelain)" || { echo "commit or remove what is changed first"; exit 2; }
	$(MAKE) check test
	$(BIN)/python -m deploy.release $(VERSION)
	git commit --quiet --all --message "Release $(VERSION)"
	git tag --annotate v$(VERSION) --message "Niyosha $(VERSION)"
	$(MAKE) package

# The pages that are generated from the tables of the code.
docs: $(RUNTIME)
	$(BIN)/python -m web.reference.pages
	$(BIN)/python -m web.settings.page

# The documents as a site, with every link checked.
site: $(DEVELOPMENT)
	$(BIN)/zensical build --strict --config-file mkdocs.yml

bench: $(DEVELOPMENT)
	$(BIN)/python -m bench.product.live

# Lock files hold versions and hashes only. The one of the gateway is for its container.
lock: $(DEVELOPMENT)
	$(BIN)/pip install --quiet uv
	$(LOCK) --all-extras --group build --output-file requirements.txt
	$(LOCK) --extra postgres --extra redis --extra otel --group build --constraint requirements.txt \
		--output-file requirements-gateway.txt
	$(LOCK) --all-extras --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(BIN)/npm update --prefix $(SCRIPTS) --package-lock-only --loglevel=error

# The tests of the page drive Debian's Chromium; where there is neither it nor root, they say what to install.
browser:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] \
		|| ! command -v apt-get >/dev/null || { apt-get update --quiet=2 \
		&& apt-get install --quiet=2 --yes --no-install-recommends chromium-headless-shell >/dev/null; }

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(RUNTIME): requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	touch $@

$(MODULES): $(SCRIPTS)/package.json $(SCRIPTS)/package-lock.json $(SCRIPTS)/.npmrc | $(DEVELOPMENT)
	$(BIN)/npm ci --prefix $(SCRIPTS) --ignore-scripts --loglevel=error
	touch $@

clean:
	rm -rf .venv $(SCRIPTS)/node_modules .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
