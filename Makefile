# One command a purpose; `make help` lists them. PYTHON chooses the interpreter that .venv is made from.
PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv/.runtime
STAMP := .venv/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What a search needs, and nothing for tests and documentation. Both install again only when a file that decides what is
# installed has changed.
PIP_INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off torch==2.13.0
$(RUNTIME): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ghm needs Python >= 3.11; this one is " + sys.version.split()[0] + ". Say which to use: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) -e . $(PIP_ARGS)
	@touch $@

$(STAMP): $(RUNTIME)
	$(PIP_INSTALL) -e '.[dev]' $(PIP_ARGS)
	@touch $@

.PHONY: setup
setup: $(STAMP) ## create .venv and install the pinned versions

.PHONY: search
search: $(RUNTIME) ## a real search: 4 random trials x 300 iterations, 2 workers, into results/
	$(BIN)/python scripts/hyperparameter_search.py --search_type random --n_trials 4 --n_iterations 300 --n_workers 2 --results_dir results/quick

# Compiled once, beside the type check, which takes one core: in a new checkout the test processes would each do it.
COMPILED := .venv/.compiled
$(COMPILED): $(STAMP) $(shell grep -rl --include '*.py' 'ghm.io.compiled' src)
	$(BIN)/python tests/compile.py
	@touch $@

# Three processes for two cores: tests of kills, signals and clusters mostly wait. Those that they start, hundreds, load modules
# that are kept compiled, whatever the environment says.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

.PHONY: test
test: lint contract ## everything that CI runs: format, lint, types, import contract, tests
	@$(MAKE) --no-print-directory --jobs 2 types $(COMPILED)
	$(PYTEST)

# On a busy machine two processes that compile everything take long.
.PHONY: test-journeys
test-journeys: $(STAMP) ## real searches of every kind, disturbed too: every surface says the same of them (minutes)
	$(PYTEST) --timeout=3600 -m journey tests

.PHONY: mutants
mutants: $(STAMP) $(COMPILED) ## plant 200 small faults, one at a time, and print the share that the tests catch, per package (an hour or two)
	$(BIN)/python tests/mutants.py $(MUTANTS)

.PHONY: test-browser
test-browser: $(STAMP) ## the report's page in a real browser (the system's package chromium)
	$(BIN)/python -m pytest -m browser tests/report

.PHONY: test-slurm
test-slurm: $(STAMP) ## the recipe for Slurm on a cluster of one node (Debian's packages slurm-wlm and munge, and root)
	$(BIN)/python -m pytest -m slurm -s tests/cluster

.PHONY: docs
docs: $(STAMP) ## the documentation's site into site/, strictly: broken links and missing references fail (the notebook is executed)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.PHONY: test-docs
test-docs: $(STAMP) ## every command and snippet of the site, the long ones too, and that their output is as shown (minutes)
	$(BIN)/python -m pytest -m 'docs or not docs' tests/docs

.PHONY: docs-outputs
docs-outputs: $(STAMP) ## run the site's commands and write what they print, and the gallery's figures, into the pages (minutes)
	$(BIN)/python docs/tools/session.py

.PHONY: build
build: $(STAMP) ## wheel and sdist into dist/, checked
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	rm -rf build

.PHONY: test-package
test-package: $(STAMP) ## build the package, install it into a fresh environment, run every command from elsewhere (two minutes)
	$(BIN)/python -m pytest -m package tests/installation

# The ranges of pyproject.toml at their lower ends; the tests' own tools are as pinned. PIP_ARGS chooses PyTorch's build.
LOWEST := .venv-lowest
LOWEST_TOOLS := hypothesis pillow pyte pytest pytest-timeout

.PHONY: test-lowest
test-lowest: ## the tests with the lowest versions that pyproject.toml allows, in an environment of their own
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/installation/lowest.py > $(LOWEST)/constraints.txt
	grep -iE '^($(subst $() ,|,$(LOWEST_TOOLS)))==' constraints.txt > $(LOWEST)/tools.txt
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check --progress-bar off -c $(LOWEST)/constraints.txt -r $(LOWEST)/tools.txt -e '.[benchmarks,dask,optuna,parquet]' $(PIP_ARGS)
	$(LOWEST)/bin/python -m pytest --ignore tests/report/test_browser.py --ignore tests/docs/test_site.py

.PHONY: soak
soak: $(STAMP) ## fault injection for long: 500 random kills of a search, its trials, or both; 200 on a cluster; 2,000 flipped bits
	GHM_SOAK=1 $(BIN)/python -m pytest -m soak -s tests/search tests/cluster

.PHONY: quality
quality: $(STAMP) ## five seeds, 90 CPU seconds each at most: fails if captured value falls short (six minutes)
	$(BIN)/python benchmarks/quality.py

.PHONY: bench
bench: $(STAMP) ## an iteration by phase, its scaling, and PPO on the same problem (half an hour on a quiet machine)
	$(BIN)/python benchmarks/iteration.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/peer_ppo.py

# Called again, it goes on where it was stopped.
TABLE := results/search_table
.PHONY: search-table
search-table: $(STAMP) ## the table of ghm.benchmark: 640 real trainings of random configurations, and 240 on fresh seeds (two hours)
	$(BIN)/ghm search $(if $(wildcard $(TABLE)),--resume $(TABLE),--config benchmarks/search_table.toml --results_dir $(TABLE))
	$(BIN)/python benchmarks/search_table.py $(TABLE)

.PHONY: search-methods
search-methods: $(STAMP) ## search methods on the recorded table: regret against iterations, with a figure (half an hour)
	$(BIN)/python benchmarks/search_methods.py

.PHONY: figures
figures: $(STAMP) ## docs/figures: terminal.svg, page.png, policy.png, from a real search of 20 trials (five minutes on two cores)
	$(BIN)/python docs/figures/make_figures.py results/figures --n_trials 20 --n_iterations 1000

.PHONY: learners
learners: $(STAMP) ## each learner on five seeds, what its hyperparameters do, and whether what is tuned transfers (two hours; what is recorded is kept)
	$(BIN)/python benchmarks/learners.py curves --learner model_based after_state gae monte_carlo
	$(BIN)/python benchmarks/learners.py ppo table calibrations transfer seeds --learner gae
	$(BIN)/python benchmarks/learner_tables.py --plot docs/figures/learners.png

.PHONY: lint
lint: $(STAMP) ## formatter and linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

.PHONY: types
types: $(STAMP) ## strict type check
	$(BIN)/mypy

.PHONY: contract
contract: $(STAMP) ## import contract between the layers
	$(BIN)/lint-imports

.PHONY: format
format: $(STAMP) ## format and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: clean-compiled
clean-compiled: ## remove what Numba compiled, of earlier source too
	find src tests benchmarks -name '*.nb[ci]' -delete
	rm -f $(COMPILED)

.PHONY: clean
clean: ## remove .venv and caches (results stay)
	rm -rf .venv .venv-lowest dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
