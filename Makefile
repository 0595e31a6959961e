# Everything lives in this folder: the environment in .venv/, the record in .amplify/, the site in public/.
PYTHON ?= python3
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
DEMO_TIME := 2026-11-18 20:30

.PHONY: demo test lint types suite long format lock docs build clean

demo: .venv/ready
	@$(BIN)/amplify subscribers import subscribers.csv
	@$(BIN)/amplify publish --yes --at "$(DEMO_TIME)"
	@echo
	@echo "Where to look:"
	@echo "  public/index.html      the site; the podcast feed is public/podcast.xml"
	@echo "  .amplify/outbox/       the mails, one file each, for any mail program: nobody gets these"
	@echo "  $(BIN)/amplify preview    both in your browser, reloading as you edit"

test: lint types suite

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/ready
	$(BIN)/mypy

suite: .venv/ready
	$(BIN)/python -m pytest -q -n 4 --dist worksteal

# Publishes killed, stopped and short of disk at every point, and every string of the corpora beside the repository, if they are there: hours.
long: .venv/ready
	AMPLIFY_EVERY_POINT=1 $(BIN)/python -m pytest -q -rP tests/test_bad_input.py tests/test_corpora.py tests/test_interrupted.py tests/test_killed.py tests/test_hostile.py

format: .venv/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The pinned set of everything that development needs, by name, version and hash.
lock: .venv/ready
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev --no-header --no-annotate --upgrade \
	  pyproject.toml -o constraints.txt

docs: .venv/ready
	$(BIN)/python -m docs.reference

build: .venv/ready
	rm -rf build dist src/*.egg-info
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf .venv build dist public .amplify/cache src/*.egg-info

.venv/ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Amplify needs Python 3.11 or newer; name one like this:  make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Setting up in .venv/ (once)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/ready
