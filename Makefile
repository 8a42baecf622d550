# One target per stage. The programs know what is done already; make only calls them, in order.
#
#   make all                                    from nothing to a trained network; on a synthetic phantom where RAW has no images
#   make dataset RAW="$HOME/Downloads/PKG - CDD-CESM" ANNOTATIONS="$HOME/Downloads" RECIPE=v2

PYTHON      ?= python3
RAW         ?= data_raw
ANNOTATIONS ?= $(RAW)
OUT         ?= data_processed
RECIPE      ?= v2
DATASET     ?= $(own_dataset)
CONFIG      ?= quick
FOLD        ?=
FOLDS       ?=
NAME        ?= $(lastword $(basename $(notdir $(CONFIG))))$(if $(FOLD),-fold$(FOLD))
IMAGES      ?=
ASSIGNMENT  ?=
WORKERS     ?=
SCHEDULER   ?=
GPU         ?=
ARGS        ?=
VARIABLES    = RAW ANNOTATIONS OUT RECIPE DATASET CONFIG NAME IMAGES ASSIGNMENT FOLD FOLDS WORKERS SCHEDULER PYTHON GPU ARGS

# Between double quotes the shell still runs or changes what stands behind these characters. Values are looked at unexpanded:
# make itself would run $(shell ...) in them.
define newline


endef
given   = $(filter-out file,$(firstword $(origin $(1))))
special = $(foreach character,` " \ $$,$(findstring $(character),$(value $(1))))$(if $(findstring $(newline),$(value $(1))),line break)
unsafe := $(firstword $(foreach name,$(filter-out ARGS,$(VARIABLES)),$(if $(call given,$(name)),$(if $(strip $(call special,$(name))),$(name)))))
ifneq ($(unsafe),)
$(error $(unsafe) holds $(strip $(call special,$(unsafe))), which the shell would run or change; rename the file or folder, \
  or give the value to a program itself: .venv/bin/python -m pipeline, .venv/bin/python -m segmenter)
endif
# Between single quotes the shell changes nothing.
quoted = '$(subst ','\'',$(1))'

# A variable that nobody reads would change nothing, in silence.
unknown := $(firstword $(foreach name,$(filter-out $(VARIABLES) SHELL,$(.VARIABLES)),$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(unknown),)
closest := $(shell "$(PYTHON)" -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1))' \
             $(call quoted,$(unknown)) $(VARIABLES))
$(error $(unknown) is not a variable of this Makefile$(if $(closest),; did you mean $(closest)?,; it has $(VARIABLES)) \
  (options of a program go into ARGS, variables of the environment before make))
endif

# More options go to the program of the target that was asked for, not to those that it builds on. They are split into words as the
# shell would, and each word is quoted, so that nothing in them is run.
with_args  = phantom index split masks variants dataset audit stats train evaluate infer report cv test test-slow torture mutation bench benchmark
ifneq ($(strip $(value ARGS)),)
ifneq ($(MAKECMDGOALS),)
ifeq ($(filter $(with_args),$(MAKECMDGOALS)),)
$(error $(MAKECMDGOALS) takes no ARGS; give them to the target of one program: $(with_args))
endif
endif
ifneq ($(findstring $$,$(subst $$$$,,$(value ARGS))),)
$(error ARGS=$(value ARGS): in make, write $$$$ for the character $$)
endif
args := $(shell "$(PYTHON)" -c 'import os, shlex, sys; print(shlex.join(map(os.path.expanduser, shlex.split(sys.argv[1]))))' \
          $(call quoted,$(subst $(newline), ,$(ARGS))) 2>/dev/null)
ifeq ($(args),)
$(error ARGS=$(value ARGS): cannot be split into words; is a quote left open, or does $(PYTHON) not run?)
endif
endif
args_of    = $(if $(filter $(1),$(MAKECMDGOALS)),$(args))

phantom_mark := $(shell test -f "$(RAW)/PHANTOM.txt" && echo phantom-)
own_dataset = $(phantom_mark)$(lastword $(basename $(notdir $(RECIPE))))
FOLDER     = $(OUT)/$(DATASET)
PIPELINE   = .venv/bin/python -m pipeline
SEGMENTER  = .venv/bin/python -m segmenter
gpu        = $(filter-out 0,$(GPU))
INSTALLED  = .venv/installed$(if $(gpu),-gpu)
workers    = $(if $(WORKERS),--workers "$(WORKERS)") $(if $(SCHEDULER),--scheduler "$(SCHEDULER)")
assignment = $(if $(ASSIGNMENT),--assignment "$(ASSIGNMENT)")
from_raw   = --raw "$(RAW)" --annotations "$(ANNOTATIONS)" --out "$(FOLDER)" --recipe "$(RECIPE)" $(workers)

# The command line of each stage, for the stage itself and for `check`.
run_index    = index $(from_raw) $(call args_of,index)
run_split    = split "$(FOLDER)" $(assignment) $(call args_of,split)
run_masks    = masks "$(FOLDER)" --raw "$(RAW)" $(workers) $(call args_of,masks)
run_variants = variants "$(FOLDER)" --raw "$(RAW)" $(workers) $(call args_of,variants)
run_dataset  = dataset $(from_raw) $(assignment) $(if $(FOLD),--need-fold "$(FOLD)") $(if $(FOLDS),--need-folds "$(FOLDS)") \
               $(call args_of,dataset)
run_audit    = audit "$(FOLDER)" $(workers) $(call args_of,audit)
run_stats    = stats "$(FOLDER)" $(call args_of,stats)
run_train    = train "$(FOLDER)" --config "$(CONFIG)" --name "$(NAME)" $(if $(FOLD),--fold "$(FOLD)") $(call args_of,train)
run_evaluate = evaluate "$(FOLDER)" --name "$(NAME)" $(if $(and $(scores),$(FOLD)),--fold "$(FOLD)") $(call args_of,evaluate)
run_infer    = infer "$(FOLDER)" --name "$(NAME)" $(if $(IMAGES),--images "$(IMAGES)") $(call args_of,infer)
run_report   = report "$(FOLDER)" --name "$(NAME)" $(call args_of,report)
run_cv       = cv "$(FOLDER)" --config "$(CONFIG)" --name "$(NAME)" $(if $(FOLDS),--folds "$(FOLDS)") $(call args_of,cv)

# Masks of another program are scored without a model.
scores          = $(and $(filter evaluate,$(MAKECMDGOALS)),$(filter --masks --masks=%,$(ARGS)))
asked           = $(filter $(1),$(MAKECMDGOALS))
of_pipeline     = $(call asked,split masks variants audit stats)
of_segmenter    = $(if $(call asked,all chain train $(if $(scores),,evaluate) infer report cv),train) $(call asked,evaluate infer report cv)

# The settings that the closing lines of `all` repeat; a path may contain spaces, so it is compared as a whole.
other      = $(if $(findstring |$(2)|,|$(3)|),, $(1)="$(2)")
again      = RAW="$(RAW)"$(call other,ANNOTATIONS,$(ANNOTATIONS),$(RAW))$(call other,OUT,$(OUT),data_processed)$(call \
             other,RECIPE,$(RECIPE),v2)$(call other,DATASET,$(DATASET),$(own_dataset))

.DEFAULT_GOAL := help
.PHONY: help install check phantom index masks variants split dataset audit stats train evaluate infer report cv models all \
        chain test test-slow torture mutation lint docs bench benchmark clean
# One stage at a time, in order, under `make -j` too: each of them uses all cores.
.NOTPARALLEL:

help:  ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'
	@echo 'Variables:'
	@echo "  RAW=$(RAW)  ANNOTATIONS=$(ANNOTATIONS)  OUT=$(OUT)  RECIPE=$(RECIPE)  DATASET=$(DATASET)"
	@echo "  CONFIG=$(CONFIG)  NAME=$(NAME)  IMAGES  ASSIGNMENT  FOLD (for train: the fold to hold out)  FOLDS (for cv: how many)"
	@echo "  WORKERS  SCHEDULER (of a Dask cluster: its address, or its .json file)"
	@echo "  PYTHON=$(PYTHON)  GPU (for install; 1: NVIDIA GPUs too)  ARGS (more options for the program)"

install: $(INSTALLED)  ## make .venv with everything that the project needs; GPU=1 for NVIDIA GPUs too

.venv/installed .venv/installed-gpu: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
	  { echo "error: $(PYTHON) is not Python 3.11 to 3.13; give one: make install PYTHON=python3.12" >&2; exit 2; }
	@echo 'install: making .venv; this takes a few minutes'
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(if $(gpu),gpu,train),dicom,docs,dev]'
	@touch .venv/installed $@

# Recipe, configuration, names and options are checked before the first stage runs.
check: install
	@$(PIPELINE) --check $(run_dataset)
	@$(foreach stage,$(of_pipeline),$(PIPELINE) --check $(run_$(stage)) &&) :
	@$(foreach stage,$(of_segmenter),$(SEGMENTER) --check $(run_$(stage)) &&) :

phantom: install  ## write a synthetic look-alike of the download to RAW/phantom
	@$(PIPELINE) phantom "$(RAW)/phantom" $(workers) $(call args_of,phantom)

index: install  ## find images and annotations below RAW, join and check them
	@$(PIPELINE) $(run_index)

split: check index  ## assign patients to train, valid, test and folds
	@$(PIPELINE) $(run_split)

masks: check split  ## draw the regions and letterbox: one square pair per source image
	@$(PIPELINE) $(run_masks)

variants: check masks  ## rotate and flip the square pairs into train, valid and test
	@$(PIPELINE) $(run_variants)

dataset: install  ## all of the above in one process, then audit and stats; ARGS=--dry-run to look first
	@$(PIPELINE) $(run_dataset)

audit: check dataset  ## check the data set for leaks and faults
	@$(PIPELINE) $(run_audit)

stats: check dataset  ## draw charts and contact sheets of the data set
	@$(PIPELINE) $(run_stats)

train: check dataset  ## train a network: CONFIG=quick, best, classes, published, or a file
	@$(SEGMENTER) $(run_train)

evaluate: check $(if $(scores),dataset,train)  ## Dice and the other metrics on test
	@$(SEGMENTER) $(run_evaluate)

infer: check train  ## predict IMAGES (a folder or file; without it the originals of test)
	@$(SEGMENTER) $(run_infer)

report: check evaluate  ## pages to read and to send: of the data set, and of the run with its model card
	@$(PIPELINE) report "$(FOLDER)"
	@$(SEGMENTER) $(run_report)

cv: check dataset  ## train and evaluate every fold, and pool the held-out images
	@$(SEGMENTER) $(run_cv)

models: install  ## print the networks, as benchmarks/models.py last measured them
	@.venv/bin/python benchmarks/models.py --print

all: check  ## everything, from data set to report; without images in RAW on a phantom
	@status=0; $(PIPELINE) sources "$(RAW)" >/dev/null 2>&1 || status=$$?; \
	if [ $$status = 0 ]; then $(MAKE) --no-print-directory chain; \
	elif [ $$status = 2 ]; then \
	  echo "all: no CDD-CESM images below $(RAW); continuing with a synthetic phantom in $(RAW)/phantom"; \
	  $(MAKE) --no-print-directory phantom && \
	  $(MAKE) --no-print-directory chain RAW="$(RAW)/phantom" ANNOTATIONS="$(RAW)/phantom" DATASET="phantom-$(DATASET)"; \
	else exit $$status; fi

chain: check dataset train evaluate infer report
	@$(SEGMENTER) summary "$(FOLDER)" --name "$(NAME)"
	@echo 'Continue with'
	@echo '  every fold in turn, so that all patients count:'
	@echo $(call quoted,    make cv $(again)$(call other,CONFIG,$(CONFIG),quick))
	@echo '  predictions for your own images:'
	@echo $(call quoted,    make infer $(again)$(call other,CONFIG,$(CONFIG),quick) IMAGES=FOLDER)
	@echo '  another network, from training to report:'
	@echo $(call quoted,    make report $(again) CONFIG=FILE.toml)

test: install  ## run the tests
	@.venv/bin/python -m pytest -n 2 --dist worksteal -m 'not slow' $(args)

test-slow: install  ## run the tests that take longer
	@.venv/bin/python -m pytest -m slow $(args)

torture: install  ## damage inputs of all readers; kill each stage at each change of the file system, and compare the bytes afterwards
	@.venv/bin/python -m pytest tests/faults/test_damaged_inputs.py -m ""
	@PYTHONPATH=tests .venv/bin/python -m faults.torture $(args)

lint: install  ## run ruff and mypy
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy

# TensorFlow is loaded first, quietly. A warning of pdoc, such as a type that it cannot resolve, would leave a gap in the pages.
docs: install  ## write the API pages to build/docs; a warning is an error
	@rm -rf build/docs
	@# The fields of losses are made from their declaration, so no line of code defines them.
	@.venv/bin/python -W error::UserWarning -W 'ignore:Cannot determine where segmenter.configuration:UserWarning' -c \
	  'import pkgutil, sys, pipeline, segmenter; from pdoc.__main__ import cli; \
	  from segmenter.backend import load_backend; load_backend(); faces = (pipeline, segmenter); \
	  rooms = [room.name for face in faces for room in pkgutil.iter_modules(face.__path__, f"{face.__name__}.")]; \
	  cli([*sys.argv[1:], *(room for room in rooms if not room.endswith("__main__"))])' \
	  --docformat google --output-directory build/docs pipeline segmenter
	@echo 'docs: build/docs/index.html'

mutation: install  ## change the core modules in small ways and count what their own tests notice (about an hour)
	@.venv/bin/python benchmarks/mutation.py $(args)

bench: install  ## measure speed again and write docs/benchmarks.md; ARGS="loader" for one part
	@.venv/bin/python benchmarks/run.py $(args)

# The folds of the benchmark are part of it, so this data set has a folder of its own.
benchmark: install  ## train and test all entries of the benchmark on five folds, and write docs/results.md (many hours)
	@$(PIPELINE) dataset --raw "$(RAW)" --annotations "$(ANNOTATIONS)" --out "$(OUT)/benchmark" --recipe v2-pairs \
	  --assignment benchmarks/folds.csv $(workers)
	@.venv/bin/python benchmarks/quality.py run "$(OUT)/benchmark" $(args)
	@.venv/bin/python benchmarks/quality.py page

clean:  ## delete the data set's files, but not its runs (trained models)
	@[ ! -f "$(FOLDER)/recipe.toml" ] || find "$(FOLDER)" -mindepth 1 -maxdepth 1 ! -name runs -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache
