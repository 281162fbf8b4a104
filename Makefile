# dllab from the command line. `make` alone lists the targets; each is one command at heart.
#
#   make lab-01 trainer.max_epochs=3 model.lr=0.01     overrides, straight on the line
#   make lab-01 ARGS="-m model.lr=0.1,0.01"            what make cannot carry: flags, ~key
#   make setup PYTHON=python3.12                       the Python to build the environment with
#   make test ENV=.venv-3.12                           another environment, beside the first

PYTHON ?= python3
ENV    := .venv
VENV    = $(ENV)/bin/python
DLLAB  ?= $(VENV) -m dllab

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help setup setup-tpu test test-all lint bench-smoke bench gpu-check doctor release dist docs pin clean

# --- learn ----------------------------------------------------------------------------------------

lab-%: setup  ## train lab 01, 02, …, grade the run, say what to do next
	@$(DLLAB) train $* $(_arguments)

grade-%: setup  ## grade the newest full run of a lab's code again
	@$(DLLAB) grade $* $(_arguments)

submit-%: setup  ## pack the newest full run of a lab's code to hand it in
	@$(DLLAB) submit $* $(_arguments)

watch-%: setup  ## run a lab's visible checks each time you save lab.py
	@$(DLLAB) watch $* $(_arguments)

reset-%: setup  ## bring a lab's starter back; your file is kept as a backup
	@$(DLLAB) reset $* $(_arguments)

# --- work on dllab --------------------------------------------------------------------------------

_pytest = $(VENV) -m pytest -q -n auto  # one worker a core, and one more
test: setup  ## run the tests; of the labs, what has changed and a sample
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(_pytest) $(value ARGS)

test-all: setup  ## run the tests, and prove every lab
	@DLLAB_TEST_ALL=1 OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(_pytest) $(value ARGS)

# What a version of Python can break is not what a lab teaches: tests that train are left out.
_pythons = -m "not slow" --ignore tests/shelf --ignore tests/test_setup.py
test-on-%:  ## run the quick tests on Python NN (3.12, 3.13), in an environment of its own
	@$(MAKE) --no-print-directory test ENV=.venv-$* ARGS='$(_pythons) $(value ARGS)' \
	  PYTHON="$$(python3 src/dllab/bootstrap.py --find $* || echo python$*)"

lint: setup  ## check style, format, types and layers, as the tests do
	@$(VENV) -m ruff check .
	@$(VENV) -m ruff format --check .
	@$(VENV) -m mypy
	@$(ENV)/bin/lint-imports

bench-smoke: setup  ## take each measurement once, only to see that it still works
	@$(VENV) -m bench --smoke --out .cache/bench-smoke.json

bench: setup  ## measure speed side by side with plain PyTorch and Lightning
	@$(VENV) -m bench $(_arguments)

gpu-check: setup  ## measure what only a GPU can show; without one, say so
	@$(VENV) -m bench.gpu $(_arguments)

doctor: setup  ## prove that every lab is sound: starters fail, references pass
	@$(DLLAB) doctor $(_arguments)

release: setup  ## write the learners' copy: everything but the authors' files
	@$(DLLAB) release $(_arguments)

# What `pip install dllab` gets, and `dllab init` makes courses of.
_tool = $(VENV) -m uv tool run --quiet
dist: setup  ## build the wheel and the sdist in dist/, the labs for learners inside
	@rm -rf dist; trap 'rm -f src/dllab/authoring/course.zip' EXIT; set -e; \
	  $(VENV) -m dllab.authoring.packaged .; $(VENV) -m uv build --quiet; \
	  $(_tool) twine check --strict dist/*; $(_tool) check-wheel-contents dist/*.whl

# Zensical builds it from what lies here; nothing on its pages is fetched from elsewhere.
docs: setup  ## build the site in build/docs/site: these pages, the labs, the checklist, a reference
	@$(VENV) docs/site/gather.py build/docs
	@cd build/docs && $(abspath $(VENV)) -m uv tool run --quiet --from 'zensical==0.0.73' \
	  --with 'mkdocstrings-python==2.0.11' zensical build --strict

# Resolved for the oldest Python, then proved to resolve for the newer ones. What torch brings for
# CUDA, and the name of its build (+cpu), differ from machine to machine and are left to torch.
_compile = $(VENV) -m uv pip compile --quiet --no-header --no-annotate --extra dev pyproject.toml
pin: setup  ## resolve the newest allowed packages into constraints.txt
	@{ grep '^#' constraints.txt; $(_compile) --python-version 3.11 | \
	  sed -e 's/+.*//' -e '/^nvidia-/d' -e '/^cuda-/d' -e '/^triton=/d'; } > .cache/constraints.txt
	@$(_compile) --python-version 3.12 -c .cache/constraints.txt > .cache/resolved-3.12.txt
	@$(_compile) --python-version 3.13 -c .cache/constraints.txt > .cache/resolved-3.13.txt
	@mv .cache/constraints.txt constraints.txt; git --no-pager diff --stat constraints.txt

# --- the environment ------------------------------------------------------------------------------

# The check costs about 20 ms and is the environment's own Python, so a dead one fails it.
setup:  ## build or repair .venv; the other targets do this by themselves
	@$(VENV) -IS src/dllab/bootstrap.py --check $(ENV) 2>/dev/null || \
	  $(PYTHON) src/dllab/bootstrap.py $(ENV)
	@$(if $(filter setup,$(MAKECMDGOALS)),echo "The environment is ready: source $(ENV)/bin/activate")

setup-tpu: setup  ## build .venv-tpu for hardware=tpu (7 GB; on a machine with a TPU)
	@test -x .venv-tpu/bin/python || $(VENV) -m venv .venv-tpu
	@.venv-tpu/bin/python -m pip install --quiet -r requirements-tpu.txt
	@echo "Ready: PYTHONPATH=src .venv-tpu/bin/python -m dllab train 01 hardware=tpu"

clean:  ## remove caches and build leftovers; runs, data and .venv stay
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	@find src labs tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@echo "make TARGET [key=value …] [ARGS=\"…\"]"
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {sub(/%/, "NN", $$1); printf "  make %-12s %s\n", $$1, $$2}' \
	  $(firstword $(MAKEFILE_LIST))

# --- make's command-line variables, handed on -----------------------------------------------------
# $(MAKEOVERRIDES) holds `name=value` words, the last one first, with spaces and dollars escaped.
# Only the names are read from it and put back in order; each value comes as typed from $(value),
# quoted for the shell. Names without a lower-case letter (ARGS, PYTHON, …) are make's own.

_letters  := a b c d e f g h i j k l m n o p q r s t u v w x y z
_reverse   = $(if $1,$(call _reverse,$(wordlist 2,$(words $1),$1)) $(firstword $1))
_distinct  = $(if $1,$(firstword $1) $(call _distinct,$(filter-out $(firstword $1),$1)))
_name      = $(patsubst %:,%,$(firstword $(subst =, ,$1)))
_names     = $(call _distinct,$(foreach _w,$(call _reverse,$(MAKEOVERRIDES)),$(call _name,$(_w))))
_has_lower = $(strip $(foreach _l,$(_letters),$(findstring $(_l),$1)))
_is_given  = $(and $(call _has_lower,$1),$(filter command,$(firstword $(origin $1))))
_quote     = '$(subst ','\'',$1)'
_overrides = $(foreach _k,$(_names),$(if $(call _is_given,$(_k)),$(call _quote,$(_k)=$(value $(_k)))))
_arguments = $(strip $(_overrides) $(value ARGS))
