"""What a network computes and moves, counted while it runs, and the least time for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

_HEAVY = ('convolution', 'convolution_backward', 'mm', 'addmm', 'bmm')


@dataclass(frozen=True)
class Operation:
    """One convolution or matrix product: its operations (2 per multiply-add) and its bytes."""

    flops: int
    bytes: int


@dataclass(frozen=True)
class Cost:
    """
    What one pair costs at least.

    flops: of all convolutions and products. bytes: what these read and write, each tensor once
    per operation. weights_bytes: parameters alone.
    """

    operations: tuple[Operation, ...]
    weights_bytes: int

    @property
    def flops(self) -> int:
        """Operations in all."""
        return sum(operation.flops for operation in self.operations)

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return sum(operation.bytes for operation in self.operations)

    def seconds(self, flops_per_s: float, bytes_per_s: float) -> float:
        """Return the least time: each operation is bound by its arithmetic or its bytes."""
        return sum(max(operation.flops / flops_per_s, operation.bytes / bytes_per_s)
                   for operation in self.operations)


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        if function._overloadpacket.__name__ not in _HEAVY:
            return function(*args, **(kwargs or {}))
        with FlopCounterMode(display=False) as counter:
            result = function(*args, **(kwargs or {}))
        outputs = result if isinstance(result, (tuple, list)) else (result,)
        tensors = [item for item in (*args, *outputs) if isinstance(item, Tensor)]
        self.operations.append(Operation(
            counter.get_total_flops(), sum(t.numel() * t.element_size() for t in tensors)))
        return result


def count(run: Callable[[], Any], weights: list[Tensor]) -> Cost:
    """Count what `run` computes with convolutions and matrix products, derivatives included."""
    with _Counter() as counter:
        run()
    return Cost(tuple(counter.operations), sum(w.numel() * w.element_size() for w in weights))
