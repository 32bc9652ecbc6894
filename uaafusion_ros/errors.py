"""Typed errors, one per package; each text says what came, what is accepted and what to do."""


class UaafusionError(Exception):
    """Base of every error that a user can cause or mend."""


class EncodingError(UaafusionError):
    """An image's bytes do not match its description, or its encoding is not supported."""


class RegistrationError(UaafusionError):
    """Two images cannot be laid over one another."""


class EngineError(UaafusionError):
    """A model or its runtime cannot be loaded or run."""


class ModelFileError(EngineError):
    """A model file is missing, altered, or does not describe itself."""


class CheckpointError(UaafusionError):
    """A training checkpoint is missing, damaged or belongs to another network."""


class DatasetError(UaafusionError):
    """A data set on disk is incomplete or holds an invalid file."""


class BagError(UaafusionError):
    """A bag cannot be read or written."""


class ParameterError(UaafusionError):
    """A setting has the wrong type, lies outside its range or is unknown."""


class DependencyError(UaafusionError):
    """An optional package is needed for what was asked and is not installed."""
