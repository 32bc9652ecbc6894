# A study: variants of the joint phase trained alike, for every fold and seed, one run folder each.
#   make study [FOLDS='0 1'] [SEEDS='0 1 2'] [VARIANTS='attributed even'] [STUDY_JOBS=2]
# What is finished is not trained again, and what was stopped goes on. SETTINGS are further
# overrides for all runs, such as SETTINGS='optim.steps=600'; give them a STUDY folder of their own.
PYTHON ?= python3
STUDY ?= runs/study
INIT ?= runs/fast_pretrain/best.safetensors
VARIANTS ?= attributed even rgb thermal mean
FOLDS ?= 0 1 2 3 4
SEEDS ?= 0

with_attributed :=
with_even := weights=even
with_rgb := inputs=rgb
with_thermal := inputs=thermal
with_mean := inputs=mean

$(foreach v,$(VARIANTS),$(if $(filter undefined,$(origin with_$v)),$(error \
  VARIANTS: '$v' is unknown; known: $(patsubst with_%,%,$(filter with_%,$(.VARIABLES))))))

# All variants of a fold before the next fold: they are compared pair by pair.
all: $(foreach s,$(SEEDS),$(foreach f,$(FOLDS),$(foreach v,$(VARIANTS),\
  $(STUDY)/$v/$f-$s/evaluation.json)))

variant = $(firstword $(subst /, ,$*))
fold = $(firstword $(subst -, ,$(notdir $*)))
seed = $(lastword $(subst -, ,$(notdir $*)))
overrides = --config train/configs/study.yaml run=$(@D) init=$(INIT) data.fold=$(fold) \
  seed=$(seed) $(with_$(variant)) $(SETTINGS)

$(STUDY)/%/evaluation.json: | $(INIT)
	$(PYTHON) -m train fit $(overrides)
	$(PYTHON) -m train evaluate $(overrides)

$(INIT):
	@echo "$@ is missing: train it (docs/training.md), or name another start, INIT=FILE" >&2
	@false

.PHONY: all
.DELETE_ON_ERROR:
