"""Where a run computes: processes, devices and precision, by Lightning Fabric."""

from __future__ import annotations

from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
import torch

from train.config import Config
from uaafusion_ros.errors import ParameterError

ACCELERATORS = ('auto', 'cpu', 'cuda')
PRECISIONS = {'bf16': 'bf16-mixed', 'fp16': '16-mixed'}


def accelerator(config: Config) -> str:
    """
    Return 'cuda' or 'cpu'; 'auto' is CUDA where there is a GPU.

    Raises ParameterError for another name and for CUDA where PyTorch finds none.
    """
    name = config.accelerator
    if name not in ACCELERATORS:
        raise ParameterError(
            f"'accelerator': '{name}' is unknown; known: {', '.join(ACCELERATORS)}")
    if name == 'auto':
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    if name == 'cuda' and not torch.cuda.is_available():
        raise ParameterError("'accelerator': PyTorch finds no CUDA device; say 'cpu', or install "
                             'a PyTorch built for CUDA')
    return name


def launch(config: Config) -> Fabric:
    """
    Start the processes of a run and return what connects them.

    Each of `config.devices` is one process: this one and others that run the same command, with
    gloo between them on the CPU and NCCL on CUDA. Under torchrun or Slurm they exist already and
    join. Raises ParameterError as `check` does.
    """
    check(config)
    optim, processes = config.optim, config.devices * config.nodes
    fabric = Fabric(
        accelerator=accelerator(config), devices=config.devices, num_nodes=config.nodes,
        precision=PRECISIONS[optim.amp_type] if optim.amp else '32-true',
        # The memory of the last stage feeds nothing and gets no gradient.
        strategy=DDPStrategy(find_unused_parameters=True) if processes > 1 else 'auto')
    fabric.launch()
    torch.set_num_threads(config.threads)  # launching sets its own number
    return fabric


def check(config: Config) -> None:
    """Raise ParameterError for processes, devices and precision that do not go together."""
    kind, optim = accelerator(config), config.optim
    processes = config.devices * config.nodes
    if processes < 1 or config.data.batch < 1 or config.data.batch % processes:
        raise ParameterError(
            f"'data.batch': {config.data.batch} samples cannot be shared evenly by {processes} "
            "processes ('devices' x 'nodes'); make it a multiple")
    if kind == 'cuda' and config.devices > torch.cuda.device_count():
        raise ParameterError(f"'devices': {config.devices} asked, {torch.cuda.device_count()} "
                             'CUDA devices found')
    if optim.amp_type not in PRECISIONS:
        raise ParameterError(f"'optim.amp_type': '{optim.amp_type}' is unknown; known: "
                             f'{", ".join(PRECISIONS)}')
    if optim.amp and optim.amp_type == 'fp16' and kind == 'cpu':
        raise ParameterError("'optim.amp_type': fp16 needs CUDA; on the CPU take bf16")
