"""
A fake of TensorRT's runtime, for machines without a GPU.

A plan is the text 'plan HxW'. Its "engine" inverts the RGB image, halves the thermal one for the
mask and returns it as confidence, on the stream and memory of a FakeCuda. `events` lists what
happened; `alive` what was made and not yet deleted.
"""

from enum import Enum
import re

NAMES = {'rgb': 3, 'thermal': 2, 'fused': 3, 'mask': 2, 'confidence': 2}
OUTPUTS = ('fused', 'mask', 'confidence')


class DataType(Enum):
    UINT8 = 1
    FLOAT = 2


class TensorIOMode(Enum):
    INPUT = 1
    OUTPUT = 2


class ILogger:
    ERROR = 1
    INTERNAL_ERROR = 0
    WARNING = 2


class FakeTensorRT:
    """Stands in for the module; attributes say what goes wrong."""

    DataType = DataType
    TensorIOMode = TensorIOMode
    ILogger = ILogger

    def __init__(self, cuda):
        self.cuda = cuda
        self.events = []
        self.alive = set()
        self.no_context = False
        self.capturable = True
        self.dtype = DataType.UINT8
        self.refuse_shape = self.refuse_address = False
        self.other_output_shape = False
        self.runs = 0
        self.fail_runs = set()
        self.explode = None
        self.refuse_plans = 0

    def Runtime(self, logger):
        if self.explode is not None:
            raise self.explode
        return _Runtime(self, logger)


class _Tracked:
    kind = ''

    def __init__(self, trt):
        self.trt = trt
        trt.events.append(f'create {self.kind}')
        trt.alive.add(self.kind)

    def __del__(self):
        self.trt.events.append(f'delete {self.kind}')
        self.trt.alive.discard(self.kind)


class _Runtime(_Tracked):
    kind = 'runtime'

    def __init__(self, trt, logger):
        super().__init__(trt)
        self.logger = logger

    def deserialize_cuda_engine(self, plan):
        found = re.fullmatch(rb'plan (\d+)x(\d+)', bytes(plan))
        self.trt.refuse_plans -= 1
        if found is None or self.trt.refuse_plans >= 0:
            self.logger.log(ILogger.WARNING, 'slow')
            self.logger.log(ILogger.ERROR, 'Error Code 2:\nreadHeader failed')
            self.logger.log(ILogger.ERROR, 'and so on')
            return None
        return _Engine(self.trt, int(found[1]), int(found[2]))


class _Engine(_Tracked):
    kind = 'engine'

    def __init__(self, trt, height, width):
        super().__init__(trt)
        self.size = (height, width)

    num_io_tensors = len(NAMES)

    def get_tensor_name(self, index):
        return list(NAMES)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.OUTPUT if name in OUTPUTS else TensorIOMode.INPUT

    def get_tensor_dtype(self, name):
        return self.trt.dtype if name == 'fused' else DataType.UINT8

    def get_tensor_shape(self, name):
        return (-1, -1, 3)[:NAMES[name]]

    def create_execution_context(self):
        return None if self.trt.no_context else _Context(self.trt, self.size)


class _Context(_Tracked):
    kind = 'context'

    def __init__(self, trt, size):
        super().__init__(trt)
        self.size = size
        self.shapes = {}
        self.addresses = {}

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return not self.trt.refuse_shape and tuple(shape)[:2] == self.size

    def get_tensor_shape(self, name):
        assert len(self.shapes) == 2, 'asked before the inputs had a shape'
        size = (1, 1) if self.trt.other_output_shape and name == 'mask' else self.size
        return (*size, 3)[:NAMES[name]]

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return not self.trt.refuse_address

    def is_stream_capturable(self, stream):
        assert isinstance(stream, int)
        return self.trt.capturable

    def execute_async_v3(self, stream):
        assert isinstance(stream, int)
        assert set(self.addresses) == set(NAMES)
        self.trt.runs += 1
        if self.trt.runs in self.trt.fail_runs:
            return False
        self.trt.events.append('execute')
        addresses, size, cuda = dict(self.addresses), self.size[0] * self.size[1], self.trt.cuda

        def kernel():
            rgb, thermal = cuda.view(addresses['rgb'], 3 * size), cuda.view(
                addresses['thermal'], size)
            cuda.view(addresses['fused'], 3 * size)[:] = [255 - value for value in rgb]
            cuda.view(addresses['mask'], size)[:] = [value // 2 for value in thermal]
            cuda.view(addresses['confidence'], size)[:] = list(thermal)

        cuda.put(stream, kernel)
        return True
