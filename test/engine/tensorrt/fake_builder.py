"""
The building half of an older TensorRT, as far as it is called: notes what it was asked for.

Only for what TensorRT-RTX does not have: the FP16 flag and the timing cache.
"""

from types import SimpleNamespace


class Enumeration:
    """Names that stand for themselves."""

    def __init__(self, *names):
        for number, name in enumerate(names):
            setattr(self, name, number)


class Timing:
    def __init__(self, data):
        self.data = data

    def serialize(self):
        return self.data + b'+measured'


class Config:
    def __init__(self):
        self.flags = set()
        self.timing = None

    def set_flag(self, flag):
        self.flags.add(flag)

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def create_timing_cache(self, data):
        return None if data == b'of another version' else Timing(data)

    def set_timing_cache(self, timing, ignore_mismatch):
        assert ignore_mismatch is False
        self.timing = timing

    def get_timing_cache(self):
        return self.timing


def fake_tensorrt(version='10.3.0'):
    """Return a module; `module.asked` holds what the last build was asked for."""
    module = SimpleNamespace(
        __version__=version, asked=SimpleNamespace(),
        BuilderFlag=Enumeration('FP16', 'TF32'),
        NetworkDefinitionCreationFlag=Enumeration('EXPLICIT_BATCH', 'STRONGLY_TYPED'),
        ITimingCache=Timing)

    class ILogger:
        ERROR, INTERNAL_ERROR = 'error', 'internal error'

    class Builder:
        def __init__(self, logger):
            pass

        def create_network(self, flags):
            module.asked.network_flags = flags
            tensor = SimpleNamespace(name='rgb', shape=(-1, -1, 3))
            return SimpleNamespace(num_inputs=1, num_outputs=1, get_input=lambda index: tensor)

        def create_builder_config(self):
            module.asked.config = Config()
            module.asked.config.flags.add(module.BuilderFlag.TF32)
            return module.asked.config

        def build_serialized_network(self, network, config):
            module.asked.shape = network.get_input(0).shape
            return b'plan'

    class OnnxParser:
        def __init__(self, network, logger):
            pass

        def parse(self, onnx):
            module.asked.onnx = onnx
            return True

    module.ILogger, module.Builder, module.OnnxParser = ILogger, Builder, OnnxParser
    return module
