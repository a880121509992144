# Every target sets itself up: Python 3.11+, make and a C compiler are all that must be there.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development

LOCK := $(BIN)/uv pip compile pyproject.toml --upgrade --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate

.PHONY: install serve test check format docs lock bench browser clean

install: $(RUNTIME)

serve: $(RUNTIME)
	$(BIN)/shenava serve

test: $(DEVELOPMENT) browser
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages that are generated from the tables of the code.
docs: $(RUNTIME)
	$(BIN)/python -m web.reference.pages

bench: $(DEVELOPMENT)
	$(BIN)/python -m bench.live

# Lock files hold versions and hashes only.
lock: $(DEVELOPMENT)
	$(BIN)/pip install --quiet uv
	$(LOCK) --group build --output-file requirements.txt
	$(LOCK) --group dev --constraint requirements.txt --output-file requirements-dev.txt

# The tests of the page drive Debian's Chromium; where there is neither it nor root, they say what to install.
browser:
	@command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
		|| { apt-get update --quiet=2 && apt-get install --quiet=2 --yes --no-install-recommends chromium >/dev/null; }

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(RUNTIME): requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	touch $@

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
