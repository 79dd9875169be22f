# Two commands matter: `make book` and `make test`. `make help` lists the rest.

# What a reader may set on the command line.
EXECUTE ?= 0
PROFILE ?= smoke
TABLE ?= mbdgan_1
TORCH ?= torch==2.13.0
TORCH_BACKEND ?=

# The first Python on the path that the project supports.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
BROWSER := .venv/.browser
HTML := _build/html
NOTEBOOKS := $(BIN)/python tools/notebooks.py

# uv does not read pip's settings; a folder of wheels given to pip serves uv too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

# matplotlib's list of fonts, kept with the matplotlib that it lists: a list left by a deleted one lacks the formulas' fonts.
export MPLCONFIGDIR ?= $(CURDIR)/.venv/matplotlib

.DEFAULT_GOAL := help
.PHONY: help install book offline browser pdf colab test lab tables unlock queue benchmark lint lock address clean distclean

help:  ## print this list
	@echo "make TARGET [NAME=value ...]"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo "TORCH_BACKEND=cpu with the first command takes PyTorch without CUDA (Linux without an NVIDIA GPU)."

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found on the path." \
		"Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
		f"Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is {v[0]}.{v[1]}.")'
	@echo "Setting up .venv with $$($(PYTHON) --version) (a few minutes once; most of it is downloading PyTorch)."
	@$(PYTHON) -m venv --clear .venv || { echo "Python's venv module does not work here;" \
		"on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) \
		"$(TORCH)" -r requirements.lock -e ".[dev]"
	@touch $@

$(BROWSER): $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python "$(TORCH)" -e ".[browser]"
	@touch $@

install: $(STAMP)  ## create .venv with everything the book needs (done by the other targets when needed)

book: $(STAMP)  ## build the HTML book from the stored outputs; EXECUTE=1 runs every notebook first
ifeq ($(EXECUTE),1)
	$(NOTEBOOKS) execute
endif
	$(BIN)/jupyter-book build . -W --keep-going --path-output .
	@echo "Open $(CURDIR)/$(HTML)/index.html in a browser."

offline: book  ## copy the book to _build/offline with its scripts beside it (npm fetches MathJax once)
	$(BIN)/python -m tools.offline

pdf: offline $(BROWSER)  ## print the whole book to _build/book.pdf (needs Chromium and npm)
	$(BIN)/python -m tools.pdf

browser: offline $(BROWSER)  ## look at every page in headless Chromium (which must be there; with npm)
	$(BIN)/python -m pytest -m browser tests/test_browser.py

test: $(STAMP)  ## run the tests, then every notebook and compare its outputs with the stored ones
	$(BIN)/python -m pytest -n 2 tests
	env -u ILIB_DATA OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval --nbval-current-env \
		--nbval-sanitize-with tests/nbval_sanitize.cfg -n 2 --dist loadfile notebooks

colab:  ## run every notebook with the versions that Colab ships (.ci/colab.txt), in .venv-colab
	test -x .venv-colab/bin/uv || { $(PYTHON) -m venv .venv-colab && .venv-colab/bin/python -m pip install --quiet uv; }
	.venv-colab/bin/uv pip install --quiet --python .venv-colab/bin/python --constraint .ci/colab.txt \
		$(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) \
		torch ipywidgets ipykernel nbval papermill pytest pytest-xdist snakemake -e .
	env -u ILIB_DATA OMP_NUM_THREADS=1 .venv-colab/bin/python -m pytest --nbval-lax --nbval-current-env \
		-n 2 --dist loadfile notebooks

lab: $(STAMP)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

tables: $(STAMP)  ## compute the missing rows of a table or a sweep: PROFILE=smoke TABLE=mbdgan_1
	$(BIN)/python tools/tables.py $(TABLE) --cores 2 --config profile=$(PROFILE)

unlock: $(STAMP)  ## remove the lock that a killed `make tables` leaves
	$(BIN)/snakemake --cores 1 --quiet all --unlock

queue: $(STAMP)  ## list rows without a result and their trainings (of one TABLE=); PROFILE=gpu writes scripts for a GPU
	$(BIN)/python -m ilib.results queue --profile $(PROFILE) $(if $(filter gpu,$(PROFILE)),--slots) \
		$(if $(filter command environment,$(origin TABLE)),--table $(TABLE))

benchmark: $(STAMP)  ## measure the blur operator and a training step against their peers; figures in results/benchmarks/
	$(BIN)/python -m benchmarks.blur
	$(BIN)/python -m benchmarks.training

lint: $(STAMP)  ## check the style of code and notebooks
	$(BIN)/ruff check .

address: $(STAMP)  ## write the repository's address of _config.yml wherever else it must stand
	$(BIN)/python tools/address.py

lock: $(STAMP)  ## renew requirements.lock (needs the network; torch stays out of it)
	echo torch > .venv/excludes.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header --upgrade \
		--extra dev --excludes .venv/excludes.txt pyproject.toml -o requirements.lock

clean:  ## remove what a build leaves (not .venv)
	rm -rf _build .pytest_cache .ruff_cache .hypothesis .snakemake
	find ilib tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean  ## clean, and remove .venv and .venv-colab
	rm -rf .venv .venv-colab *.egg-info
