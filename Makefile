# A target a stage. The programs decide what is done already; make only calls them, in order.
#
#   make all                                    from nothing to a trained network, on a synthetic phantom if need be
#   make dataset RAW="$HOME/Downloads/PKG - CDD-CESM" ANNOTATIONS="$HOME/Downloads" RECIPE=v2

PYTHON      ?= python3
RAW         ?= data_raw
ANNOTATIONS ?= $(RAW)
OUT         ?= data_processed
RECIPE      ?= v2
DATASET     ?= $(lastword $(basename $(notdir $(RECIPE))))
CONFIG      ?= quick
FOLD        ?=
FOLDS       ?=
NAME        ?= $(lastword $(basename $(notdir $(CONFIG))))$(if $(FOLD),-fold$(FOLD))
IMAGES      ?=
ASSIGNMENT  ?=
WORKERS     ?=
GPU         ?=
ARGS        ?=

FOLDER     = $(OUT)/$(DATASET)
PIPELINE   = .venv/bin/python -m pipeline
SEGMENTER  = .venv/bin/python -m segmenter
gpu        = $(filter-out 0,$(GPU))
INSTALLED  = .venv/installed$(if $(gpu),-gpu)
workers    = $(if $(WORKERS),--workers "$(WORKERS)")
assignment = $(if $(ASSIGNMENT),--assignment "$(ASSIGNMENT)")
# More options are for the program of the target that was asked for, not for those that it stands on.
args       = $(if $(filter $@,$(MAKECMDGOALS)),$(ARGS))
from_raw   = --raw "$(RAW)" --annotations "$(ANNOTATIONS)" --out "$(FOLDER)" --recipe "$(RECIPE)" $(workers)

# What the closing words of `all` have to repeat; a path may hold spaces, so it is compared as a whole.
elsewhere  = $(if $(findstring |$(OUT)|,|data_processed|),, OUT="$(OUT)")$(if $(findstring |$(ANNOTATIONS)|,|$(RAW)|),, ANNOTATIONS="$(ANNOTATIONS)")

.DEFAULT_GOAL := help
.PHONY: help install phantom index masks variants split dataset audit stats train evaluate infer report cv models all \
        chain test test-slow lint docs bench clean
# One stage at a time, in order, under `make -j` too: each of them uses all cores.
.NOTPARALLEL:

help:  ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo 'Variables:'
	@echo '  RAW=$(RAW)  ANNOTATIONS=$(ANNOTATIONS)  OUT=$(OUT)  RECIPE=$(RECIPE)  DATASET=$(DATASET)'
	@echo '  CONFIG=$(CONFIG)  NAME=$(NAME)  IMAGES  ASSIGNMENT  FOLD (of train; the fold held out)  FOLDS (of cv; how many)'
	@echo '  WORKERS  PYTHON=$(PYTHON)  GPU (of install; 1: NVIDIA GPUs too)  ARGS (more options for the program)'

install: $(INSTALLED)  ## make .venv with all that the project needs; GPU=1 for NVIDIA GPUs too

.venv/installed .venv/installed-gpu: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo 'error: $(PYTHON) is no Python of 3.11 to 3.13; name one: make install PYTHON=python3.12' >&2; exit 2; }
	@echo 'install: making .venv; this takes a few minutes'
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(if $(gpu),gpu,train),dicom,docs,dev]'
	@touch .venv/installed $@

phantom: install  ## write a synthetic look-alike of the download to RAW/phantom
	@$(PIPELINE) phantom "$(RAW)/phantom" $(workers) $(args)

index: install  ## find images and annotations below RAW, join and check them
	@$(PIPELINE) index $(from_raw) $(args)

split: index  ## assign patients to train, valid, test and folds
	@$(PIPELINE) split "$(FOLDER)" $(assignment)

masks: split  ## draw regions and letterbox: a square pair a source image
	@$(PIPELINE) masks "$(FOLDER)" --raw "$(RAW)" $(workers)

variants: masks  ## turn and flip the square pairs into train, valid and test
	@$(PIPELINE) variants "$(FOLDER)" --raw "$(RAW)" $(workers)

dataset: install  ## all of the above in one go, then audit and statistics
	@$(PIPELINE) dataset $(from_raw) $(assignment) $(args)

audit: dataset  ## check the data set for leaks and faults
	@$(PIPELINE) audit "$(FOLDER)"

stats: dataset  ## pictures of the data set
	@$(PIPELINE) stats "$(FOLDER)"

train: dataset  ## train a network: CONFIG=quick, classes, published, or a file
	@$(SEGMENTER) train "$(FOLDER)" --config "$(CONFIG)" --name "$(NAME)" $(if $(FOLD),--fold "$(FOLD)") $(args)

evaluate: train  ## Dice and the other figures on test
	@$(SEGMENTER) evaluate "$(FOLDER)" --name "$(NAME)" $(args)

infer: train  ## predictions for IMAGES (a folder or file; test's originals)
	@$(SEGMENTER) infer "$(FOLDER)" --name "$(NAME)" $(if $(IMAGES),--images "$(IMAGES)") $(args)

report: evaluate  ## pages to read and send: of the data set, and of the run with its model card
	@$(PIPELINE) report "$(FOLDER)"
	@$(SEGMENTER) report "$(FOLDER)" --name "$(NAME)" $(args)

cv: dataset  ## train and evaluate every fold, and pool what they held out
	@$(SEGMENTER) cv "$(FOLDER)" --config "$(CONFIG)" --name "$(NAME)" $(if $(FOLDS),--folds "$(FOLDS)") $(args)

models: install  ## the networks, as benchmarks/models.py last measured them
	@.venv/bin/python benchmarks/models.py --print

all: install  ## everything; without images in RAW on a phantom
	@status=0; $(PIPELINE) sources "$(RAW)" 2>/dev/null || status=$$?; \
	if [ $$status = 0 ]; then $(MAKE) --no-print-directory chain; \
	elif [ $$status = 2 ]; then \
	  echo 'all: no CDD-CESM images below $(RAW); going on with a synthetic phantom in $(RAW)/phantom'; \
	  $(MAKE) --no-print-directory phantom && \
	  $(MAKE) --no-print-directory chain RAW="$(RAW)/phantom" ANNOTATIONS="$(RAW)/phantom" DATASET="phantom-$(DATASET)"; \
	else exit $$status; fi

chain: dataset train evaluate infer report
	@$(SEGMENTER) summary "$(FOLDER)" --name "$(NAME)"
	@echo 'Go on with it:'
	@echo '  make stats train evaluate infer report RAW="$(RAW)"$(elsewhere) DATASET=$(DATASET) CONFIG=$(CONFIG)'

# In two processes, of which each may hold 2 GB; ARGS='-n 0' for one, ARGS='-n 8' where there is memory.
test: install  ## the tests
	@.venv/bin/python -m pytest -n 2 --dist worksteal -m 'not slow' $(ARGS)

test-slow: install  ## the tests that take longer
	@.venv/bin/python -m pytest -m slow $(ARGS)

lint: install  ## ruff and mypy
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy

# TensorFlow is loaded first, quietly; what pdoc warns of, such as a type that it cannot resolve, would be a gap in the pages.
docs: install  ## the API pages, in build/docs; a warning is an error
	@rm -rf build/docs
	@# The fields of losses are made from their declaration, so no line of code defines them.
	@.venv/bin/python -W error::UserWarning -W 'ignore:Cannot determine where segmenter.configuration:UserWarning' -c \
	  'import pkgutil, sys, pipeline, segmenter; from pdoc.__main__ import cli; \
	  from segmenter.backend import load_tensorflow; load_tensorflow(); faces = (pipeline, segmenter); \
	  rooms = [room.name for face in faces for room in pkgutil.iter_modules(face.__path__, f"{face.__name__}.")]; \
	  cli([*sys.argv[1:], *(room for room in rooms if not room.endswith("__main__"))])' \
	  --docformat google --output-directory build/docs pipeline segmenter
	@echo 'docs: build/docs/index.html'

bench: install  ## measure the pipeline: benchmarks/dataset.py
	@.venv/bin/python benchmarks/dataset.py $(ARGS)

clean: ## delete the data set's files, but not its runs (trained models)
	@[ ! -f "$(FOLDER)/recipe.toml" ] || find "$(FOLDER)" -mindepth 1 -maxdepth 1 ! -name runs -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache
