"""From weights to the deployed ONNX file, which describes itself."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
import warnings

import onnx
import torch
from torch import Tensor

from uaafusion_ros.network.model import Deployed
from uaafusion_ros.network.model import UAAFusion

OPSET = 18  # the lowest that PyTorch exports to, and within TensorRT 10.3's range
SCHEMA = 1
INPUTS = ('rgb', 'thermal')
OUTPUTS = ('fused', 'mask', 'confidence')
# Names of values inside the graph, for whoever asks why (engine/explanation.py).
EXPLANATION = ('information_thermal', 'information_rgb', 'w_thermal', 'targets')


class _Explained(Deployed):
    """A deployed network that says why."""

    def forward(self, rgb: Tensor, thermal: Tensor) -> tuple[Tensor, ...]:
        return self.explained(rgb, thermal)


def weights_digest(state: dict[str, Tensor]) -> str:
    """Return the sha256 of a state dict: names and bytes in order of name."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def export(network: UAAFusion, path: Path, classes: list[str],
           palette: list[tuple[int, int, int]]) -> str:
    """
    Write the deployed graph of a network to `path` and return the file's sha256.

    Sizes are free in multiples of the network's; inputs and outputs are those of `Deployed`.
    Values that explain them keep their names inside: EXPLANATION and iterate_1 to iterate_K.
    """
    module = _Explained(network).eval()
    names = (*OUTPUTS, *EXPLANATION, *(f'iterate_{k + 1}' for k in range(network.spec.stages)))
    unit = network.multiple
    height = unit * torch.export.Dim('h', min=1, max=128)
    width = unit * torch.export.Dim('w', min=1, max=128)
    example = (torch.zeros(3 * unit, 5 * unit, 3, dtype=torch.uint8),
               torch.zeros(3 * unit, 5 * unit, dtype=torch.uint8))
    quiet = logging.getLogger('torch.onnx')
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            program = torch.onnx.export(
                module, example, input_names=INPUTS, output_names=names, opset_version=OPSET,
                dynamo=True, external_data=False, verbose=False,
                dynamic_shapes={name: {0: height, 1: width} for name in INPUTS})
    finally:
        quiet.setLevel(level)
    model = program.model_proto
    del model.graph.output[len(OUTPUTS):]
    _name_sizes(model)
    _measure_floats(model)
    meta = {
        'schema': str(SCHEMA), 'preset': network.spec.name, 'multiple': str(unit),
        'classes': json.dumps(list(classes)), 'palette': json.dumps([list(c) for c in palette]),
        'weights_sha256': weights_digest(network.state_dict()),
    }
    del model.metadata_props[:]
    for key, value in meta.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _name_sizes(model: onnx.ModelProto) -> None:
    """Call the free sizes height and width, by which a runtime fixes them."""
    for value in (*model.graph.input, *model.graph.output):
        for dim, name in zip(value.type.tensor_type.shape.dim, ('height', 'width')):
            dim.dim_param = name
    # Intermediate shapes are written in the exporter's own names; runtimes infer them anyway.
    del model.graph.value_info[:]
    # Source positions and module names of the exporter would put machine paths into the file.
    for node in model.graph.node:
        node.doc_string = ''
        del node.metadata_props[:]


def _measure_floats(model: onnx.ModelProto) -> None:
    """Read sizes from the casts of the inputs: TensorRT's Shape lists no uint8."""
    casts = {node.input[0]: node for node in model.graph.node
             if node.op_type == 'Cast' and node.input[0] in INPUTS}
    rest = [node for node in model.graph.node if node not in casts.values()]
    for node in rest:
        if node.op_type == 'Shape' and node.input[0] in casts:
            node.input[0] = casts[node.input[0]].output[0]
    del model.graph.node[:]
    model.graph.node.extend([*casts.values(), *rest])
