# The Congress Test. `make` alone says what there is.
# Needs git, make, Python 3.11 to 3.13 and a package index; everything else goes into .venv/.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# The first Python here that is neither too old nor too new; or say: make run PYTHON=python3.12
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
PORT ?= 8000
BIN := $(VENV)/bin
# A stamp's name holds a checksum of what was installed and of where it stands (a virtual
# environment does not survive a move): another lock, another stamp, a new environment.
LOCKED := $(VENV)/.locked-$(shell { cat requirements.lock; pwd; } | cksum | tr ' ' '-')
STAMP := $(VENV)/.project-$(shell { cat requirements.lock pyproject.toml; pwd; } | cksum | tr ' ' '-')
# What only the pages need.
SITE := $(VENV)/.site-$(shell { cat requirements-site.lock; pwd; } | cksum | tr ' ' '-')
UV := $(BIN)/uv pip install --python $(BIN)/python
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

# Nothing of the user's own Python, Jupyter and matplotlib settings gets in.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE MPLBACKEND
export PYTHONNOUSERSITE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/var/matplotlib
export IPYTHONDIR := $(CURDIR)/$(VENV)/var/ipython
export JUPYTER_CONFIG_DIR := $(CURDIR)/$(VENV)/var/jupyter
export JUPYTER_PREFER_ENV_PATH := 1
export DEEPFACE_LOG_LEVEL := 50
export DEEPFACE_BACKEND_ENGINE := onnx
# tqdm would like a Jupyter widget
export PYTHONWARNINGS := ignore:IProgress not found

# One thread where numbers are compared: the order of a sum changes its last digits.
run test notebooks: export OMP_NUM_THREADS := 1
run test notebooks: export OPENBLAS_NUM_THREADS := 1
run test notebooks: export MKL_NUM_THREADS := 1
run test notebooks: export VECLIB_MAXIMUM_THREADS := 1
run test notebooks: export PYTHONHASHSEED := 0

.PHONY: help install run test lab notebooks bench site serve pdf test-site register lint lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## create the environment .venv/ from requirements.lock (the others do it too)

run: $(STAMP) ## run the test on the shipped data; write figures/ and build/notebooks/
	@$(BIN)/congress-test reproduce

test: $(STAMP) ## run all tests, then check every notebook's outputs; both always run
	@status=0; \
	$(BIN)/python -m pytest tests || status=1; \
	$(BIN)/python -m pytest --nbval --nbval-current-env -p no:cacheprovider notebooks || status=1; \
	exit $$status

lab: $(STAMP) ## read and change the notebooks in JupyterLab, in a browser
	@$(BIN)/jupyter lab notebooks/

notebooks: $(STAMP) ## execute the committed notebooks again, in place
	@$(BIN)/python -m helpers.rebuild.notebooks $(NOTEBOOKS)

bench: $(STAMP) ## measure enrolment, search, the service, run, a cluster; write benchmarks/ (needs the images)
	@set -e; for name in enrolment search "search --scale" service run cluster schedule scale; do \
		set -- $$name; $(BIN)/python benchmarks/$$1.py $$2; done

site: $(SITE) ## build the pages into site/ (PORTRAITS=1: with members' portraits, for local reading)
	@$(BIN)/python -m helpers.site.build $(if $(filter-out 0,$(PORTRAITS)),--portraits)

serve: $(STAMP) ## show site/ at http://localhost:8000
	@test -f site/index.html || $(MAKE) --no-print-directory site
	@echo "http://localhost:$(PORT), until Ctrl-C"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory site $(PORT) 2>/dev/null

pdf: $(SITE) ## print only site/congress-test.pdf (make site does it, too)
	@$(BIN)/python -m helpers.site.pdf

test-site: $(SITE) ## build the site and test it in a headless Chromium
	@$(BIN)/python -m pytest tests_site

register: $(SITE) ## add the ids of new figures to docs/figure-ids.csv
	@$(BIN)/python -m helpers.site.build --register

lint: $(STAMP) ## check style, types and spelling
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/codespell

lock: $(STAMP) ## make the locks again from requirements*.in (UPGRADE=1 for newer versions)
	@for part in requirements requirements-site; do \
		$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header \
			--python-version 3.11 $(if $(UPGRADE),--upgrade) --override requirements.overrides \
			$$(test $$part = requirements || echo --constraint requirements.lock) \
			$$part.in --output-file $$part.lock; done

clean: ## remove the environment, build/ and caches; downloads and results stay
	rm -rf $(VENV) build .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find src tests benchmarks notebooks -name __pycache__ -prune -exec rm -rf {} +

$(LOCKED):
	@test -n "$(PYTHON)" || { echo "No Python 3.11, 3.12 or 3.13 was found. Install one, then say" \
		"where it is: make run PYTHON=/path/to/python3.12"; exit 1; }
	@"$(PYTHON)" -c '$(FITS)' || { echo "$(PYTHON) cannot be used (`"$(PYTHON)" --version 2>&1`):" \
		"the Congress Test needs Python 3.11, 3.12 or 3.13. Say which: make run PYTHON=python3.12"; \
		exit 1; }
	@echo "Installing into $(VENV)/: 1.5 GB, log in build/install.log"
	@rm -rf $(VENV) && mkdir -p build
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "The environment could not be made." \
		"On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@# uv first, by its own lines of the lock; where it cannot be had, pip does it all in minutes
	@awk '/^[a-z]/ { on = /^uv==/ } on' requirements.lock >build/uv.lock
	@{ $(BIN)/python -m pip install --quiet --require-hashes --no-deps -r build/uv.lock && \
		$(UV) --require-hashes --no-deps -r requirements.lock; } 2>build/install.log || { \
		echo "  without uv, by pip: some minutes ..."; \
		$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements.lock \
		2>>build/install.log || { tail -5 build/install.log; exit 1; }; }
	@$(BIN)/python -c 'import matplotlib.font_manager' 2>>build/install.log
	@touch $@

$(STAMP): $(LOCKED)
	@mkdir -p build; rm -f $(VENV)/.project-*
	@$(UV) --no-deps --no-build-isolation --editable . \
		>>build/install.log 2>&1 || { tail -5 build/install.log; exit 1; }
	@touch $@

$(SITE): $(STAMP)
	@rm -f $(VENV)/.site-*
	@$(UV) --require-hashes --no-deps -r requirements-site.lock \
		>>build/install.log 2>&1 || { tail -5 build/install.log; exit 1; }
	@touch $@
