# make demo    install into .venv (first time), animate the example, print the video's path
# make test    formatting, lint, types and all tests
# make clean   remove everything these made

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/.base
	@mkdir -p out
	@$(BIN)/enliven animate examples/portrait.jpg --audio examples/speech.wav \
	    --output out/portrait--speech.mp4 --overwrite

# a process for each core; threads of several on one core would wait for each other
test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/enliven setup >&2
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal

clean:
	rm -rf .venv out build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Versions come from constraints.txt, so that every clone gets the same ones.
.venv/.base: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing enliven into .venv (about 650 MB)" >&2
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable . >&2
	@touch $@

.venv/.test: .venv/.base
	@$(BIN)/python -m pip install -qq --constraint constraints.txt torch >&2
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[test,train,speech,judge,judge-local,video]' >&2
	@touch $@

$(BIN)/python:
	@sh .ci/venv $(PYTHON) .venv >&2
