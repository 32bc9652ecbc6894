"""Short runs on made-up pairs, for the tests of the training."""

import json
from pathlib import Path

import torch

from train.config import Config
from train.config import Data
from train.config import Optim
from train.config import Source
from train.config import to_dict
from train.fusion_phase import FusionPhase
from train.joint_phase import JointPhase
from train.loop import fit
from train.segmentation_phase import SegmentationPhase
from uaafusion_ros.network import checkpoint
from uaafusion_ros.network.model import UAAFusion
from uaafusion_ros.network.presets import preset

PHASES = {'segmentation': SegmentationPhase, 'fusion': FusionPhase, 'joint': JointPhase}


def settings(pairs, run, phase='segmentation', steps=4, **parts):
    """Settings of a run of a few steps on the folder `pairs`."""
    source = (Source('msrs', str(pairs)),)
    return Config(
        phase=phase, run=str(run), threads=1, accelerator='cpu', **parts,
        data=Data(train=source, val=source, crop=64, batch=2),
        optim=Optim(steps=steps, warmup=1, lr=1e-3, validate_every=steps, save_every=2))


def write(config, path):
    """Write settings to a file, as the command reads them; return its path."""
    path.write_text(json.dumps(to_dict(config)))  # which is YAML, too
    return path


def train(config):
    """Fit as the command does and return the path of the best checkpoint."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(1)
    return fit(PHASES[config.phase](config), config)


def write_parts(folder):
    """Write untrained checkpoints of all parts; return their paths as settings want them."""
    torch.manual_seed(1)
    network = UAAFusion(preset('fast'), [1, 2]).eval()
    with torch.no_grad():
        network.look_at_black()
    classes = ['unlabelled', 'car', 'person', 'bike', 'curve', 'car_stop', 'guardrail',
               'color_cone', 'bump']
    paths = {}
    for name, part, module in (('segmenter', 'segmenter', network.segmenter),
                               ('fusion', 'fusion', network.fusion),
                               ('init', 'network', network)):
        paths[name] = str(Path(folder) / f'{part}.safetensors')
        checkpoint.save(Path(paths[name]), module.state_dict(), {
            'part': part, 'preset': 'fast', 'classes': classes, 'step': 0})
    return paths
