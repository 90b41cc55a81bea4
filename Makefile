# `make demo` and `make test` install what they need. See CONTRIBUTING.md for the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORPUS ?= travail
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all lint bench-retrieval bench-retrieval-scale bench-citations bench-answerability bench-injections bench-reading bench-gateway bench web lock clean bench-dispatch

demo: $(VENV)/installed web/dist/index.html
	@exec $(BIN)/chappe demo

test: $(VENV)/installed-test web/dist/index.html
	@bash scripts/test.sh "$(VENV)"

test-all: $(VENV)/installed-test web/dist/index.html
	@bash scripts/test.sh "$(VENV)" --all

lint: $(VENV)/installed-test
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench-retrieval: $(VENV)/installed
	@$(BIN)/python benchmarks/retrieval.py --questions "$(QUESTIONS)" --corpus "$(CORPUS)" $(if $(ABLATE),--ablate)

bench-retrieval-scale: $(VENV)/installed
	@$(BIN)/python benchmarks/retrieval_scale/run.py $(if $(SIZES),--sizes "$(SIZES)") $(if $(QUESTIONS),--questions "$(QUESTIONS)")

bench-citations: $(VENV)/installed
	@$(BIN)/python benchmarks/citations/run.py $(if $(PAIRS),--pairs "$(PAIRS)") $(if $(ARCHIVES),--archives "$(ARCHIVES)")

bench-answerability: $(VENV)/installed
	@$(BIN)/python benchmarks/answerability/run.py $(if $(QUESTIONS),--questions "$(QUESTIONS)") $(if $(FIT),--fit)

bench-injections: $(VENV)/installed
	@$(BIN)/python benchmarks/injections/run.py $(if $(CASES),--cases "$(CASES)") $(if $(EMBEDDED),--embedded)

# Makes environments of several gigabytes (docling) in the folder WORK, or in a temporary one.
bench-reading: $(VENV)/installed
	@$(BIN)/python benchmarks/reading/run.py $(if $(WORK),--work "$(WORK)") $(if $(CANDIDATES),--candidates $(CANDIDATES))

bench-gateway: $(VENV)/installed
	@$(BIN)/python benchmarks/gateway/run.py

bench: $(VENV)/installed web/dist/index.html
	@$(BIN)/python benchmarks/spine.py

bench-dispatch: $(VENV)/installed
	@$(BIN)/python benchmarks/dispatch/run.py

web: web/dist/index.html

$(VENV)/installed: requirements.lock pyproject.toml
	@bash scripts/install.sh "$(PYTHON)" "$(VENV)" requirements.lock
	@touch $@

$(VENV)/installed-test: $(VENV)/installed requirements-test.lock
	@bash scripts/install.sh "$(PYTHON)" "$(VENV)" requirements-test.lock
	@touch $@

web/dist/index.html: web/package-lock.json web/package.json web/index.html $(shell find web/src web/public -type f 2>/dev/null)
	@bash scripts/build-page.sh

# Universal (every Python from 3.11, every platform), with hashes and without any address.
lock:
	uv pip compile pyproject.toml --extra embedded --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
	uv pip compile pyproject.toml --extra embedded --extra telemetry --extra test --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements-test.lock

clean:
	rm -rf $(VENV) web/dist web/node_modules build
