"""Typed training settings from a YAML file and `section.key=value` overrides."""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import is_dataclass
import difflib
from pathlib import Path
from typing import Any

import yaml

from uaafusion_ros.errors import ParameterError


@dataclass(frozen=True)
class Source:
    """
    One set of pairs: `layout` names an entry of `train.data.LAYOUTS`, `split` one of its splits.

    Without a split the root is the folder of the split itself. share: how often its pairs are
    drawn, against the shares of the other sources. block: frame numbers (the digits of a name)
    that stay together when the pairs are cut into five folds; 0 for a set that is not cut. fold:
    the fold that is kept out of training, instead of the run's own. apart: leave out frames that
    are nearer than so many numbers to one that is validated on. classes: by the name of a class to
    train, the names of the set's own that make it; what is in none has no label. Empty takes the
    set's classes as they are.
    """

    layout: str = 'msrs'
    root: str = ''
    split: str = ''
    share: float = 1.0
    block: int = 0
    fold: int = -1
    apart: int = 0
    classes: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """
    What to train and to validate on.

    Crops are squares of `crop` pixels from images scaled by `smallest` to `largest`. fold: of the
    sources that are cut into folds, this one is validated on and the others are trained on; -1
    takes all. mix: the probability that objects of another pair are laid over a crop; lost: that
    a camera is gone.
    """

    train: tuple[Source, ...] = ()
    val: tuple[Source, ...] = ()
    fold: int = -1
    mix: float = 0.0
    lost: float = 0.05
    crop: int = 320
    batch: int = 8
    smallest: float = 0.6
    largest: float = 1.6


@dataclass(frozen=True)
class Optim:
    """
    AdamW with a linear warm-up, then `schedule`.

    'cosine' falls to zero at the last step; 'step' multiplies by `step_factor` every `step_every`
    steps, which as published is a quarter of the run. amp: compute in `amp_type`, 'bf16' or (on
    CUDA, with a scaled loss) 'fp16', where PyTorch's autocast deems it safe.
    """

    steps: int = 1000
    warmup: int = 50
    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = 'cosine'
    step_every: int = 250
    step_factor: float = 0.5
    clip_norm: float = 5.0
    ema: float = 0.995
    validate_every: int = 250
    save_every: int = 100
    amp: bool = False
    amp_type: str = 'bf16'


@dataclass(frozen=True)
class Loss:
    """
    Weights of the losses (see train/losses.py), of the iterates before the last among them.

    looks: the cross entropy of both sources alone; judge: that of the fused image, every
    `judge_every`-th step; overlap: the share of the Lovasz loss in that of the mask; balance: the
    power of the class weights. attention_every: exact attributions every so many steps. What is
    aimed at (train/target.py) is brighter by up to `emphasis` around where the attention is
    positive, and counts each source with its weight to the power `preference`.
    """

    target: float = 1.0
    intensity: float = 0.1
    segmentation: float = 0.05
    looks: float = 0.5
    judge: float = 0.1
    judge_every: int = 4
    overlap: float = 0.5
    balance: float = 0.4
    attention_every: int = 4
    emphasis: float = 0.0
    iterates: float = 0.0
    preference: float = 0.5


@dataclass(frozen=True)
class Config:
    """
    A whole run. `phase` is one of train.__main__.PHASES.

    init: the checkpoint of a whole network to start from, or 'fast' for the weights that ship;
    segmenter and fusion: the best checkpoints of phases that train one part. inputs: what the
    joint phase gives the network, one of train.views.INPUTS; views: what the segmentation phase
    sees, one of train.views.NAMES. weights: 'attributed' or 'even' (see Preset). targets: the
    classes whose contrast the fused image keeps; bodies: those of them that stand out as a whole,
    not part by part. accelerator: 'auto', 'cpu' or 'cuda'; devices: processes on each of `nodes`
    machines, which share every batch; threads: of each process on the CPU.
    """

    phase: str = 'segmentation'
    preset: str = 'fast'
    run: str = 'runs/segmentation'
    init: str = ''
    segmenter: str = ''
    fusion: str = ''
    inputs: str = 'both'
    views: str = 'mixed'
    weights: str = 'attributed'
    targets: str = 'car person bike'
    bodies: str = 'person'
    seed: int = 0
    accelerator: str = 'auto'
    devices: int = 1
    nodes: int = 1
    threads: int = 2
    data: Data = field(default_factory=Data)
    optim: Optim = field(default_factory=Optim)
    loss: Loss = field(default_factory=Loss)


def load(path: Path, overrides: list[str]) -> Config:
    """
    Read a YAML file and apply overrides such as `optim.lr=3e-4`.

    Raises ParameterError for an unknown key (naming its nearest neighbour) or a wrong type.
    """
    if not path.is_file():
        raise ParameterError(f'{path}: no such configuration file')
    values = yaml.safe_load(path.read_text()) or {}
    for text in overrides:
        key, sign, value = text.partition('=')
        if not sign:
            raise ParameterError(f"override '{text}': expected section.key=value")
        place = values
        *parents, last = key.split('.')
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value)
    return build(Config, values, '')


def build(cls: type, values: Any, prefix: str) -> Any:
    """Return dataclass `cls` from a mapping, checking each key and type."""
    if not isinstance(values, dict):
        raise ParameterError(f"'{prefix or 'config'}': expected a mapping, got {values!r}")
    known = {item.name: item for item in fields(cls)}
    result = {}
    for key, value in values.items():
        name = f'{prefix}{key}'
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean '{prefix}{near[0]}'?" if near else \
                f'; known: {", ".join(sorted(known))}'
            raise ParameterError(f"unknown setting '{name}'{hint}")
        default = getattr(cls(), key)
        result[key] = convert(value, default, name)
    return cls(**result)


def convert(value: Any, default: Any, name: str) -> Any:
    """Return `value` in the type of `default`, or raise ParameterError."""
    if is_dataclass(default):
        return build(type(default), value, f'{name}.')
    if isinstance(default, tuple):
        if not isinstance(value, list):
            raise ParameterError(f"'{name}': expected a list of sources, got {value!r}")
        return tuple(build(Source, item, f'{name}[{i}].') for i, item in enumerate(value))
    if isinstance(default, dict):
        if isinstance(value, dict) and all(isinstance(own, list) and own and all(
                isinstance(part, str) for part in (key, *own)) for key, own in value.items()):
            return value
        raise ParameterError(f"'{name}': expected lists of the set's class names by the name of "
                             f'the class they make, such as {{car: [car, truck]}}, got {value!r}')
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
    elif isinstance(default, float) and not isinstance(value, bool):
        # YAML 1.1 reads 3e-4 as text.
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif isinstance(default, int) and isinstance(value, int) and not isinstance(value, bool):
        return value
    elif isinstance(default, str) and isinstance(value, str):
        return value
    raise ParameterError(
        f"'{name}': expected {type(default).__name__}, got {value!r}")


def to_dict(config: Config) -> dict[str, Any]:
    """Return the settings as plain values, for records."""
    return asdict(config)
