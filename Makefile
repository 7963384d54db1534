# Two commands on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check format clean secrets backup restore

run: $(VENV)/.installed  ## set up and run the main job on embedded data
	$(BIN)/fer-sweep run sweeps/quickstart.yaml

test: $(VENV)/.installed-dev  ## set up and run all tests
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev  ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

secrets:  ## passwords and keys of a team's server (docs/deployment.md); never replaces any
	deploy/secrets.sh

backup:  ## databases and files of the server into one archive in backups/
	docker compose run --rm backup

restore:  ## make restore FILE=backups/NAME.tar [FORCE=1]
	docker compose run --rm restore "$(FILE)" $(if $(FORCE),--force)

clean:
	rm -rf $(VENV) .fer-sweep .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed
