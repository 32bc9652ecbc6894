"""The parameters that concern the stream, by section."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SyncSettings:
    """How two cameras are paired (parameters `sync.*`)."""

    policy: str = 'nearest'
    reference: str = 'rgb'
    slop_ms: float = 16.0
    queue_size: int = 10
    max_wait_ms: float = 250.0
    thermal_offset_ms: float = 0.0


@dataclass(frozen=True)
class FreezeSettings:
    """When a repeated thermal image is not to be trusted (`thermal.freeze_*`)."""

    repeats: int = 3
    age_ms: float = 100.0


@dataclass(frozen=True)
class ModeSettings:
    """What is published while a camera is missing (`mode.*`)."""

    timeout_s: float = 0.5
    recovery_pairs: int = 3


@dataclass(frozen=True)
class InputSettings:
    """What is accepted from the cameras (`input.*`)."""

    max_future_s: float = 1.0


@dataclass(frozen=True)
class Settings:
    """All that a router can be told."""

    sync: SyncSettings = SyncSettings()
    freeze: FreezeSettings = FreezeSettings()
    mode: ModeSettings = ModeSettings()
    input: InputSettings = InputSettings()


def stream_settings(values: Mapping[str, Any]) -> Settings:
    """Return the sections of the node's parameters `values`, by full name."""
    return Settings(
        SyncSettings(**{name: values[f'sync.{name}'] for name in (
            'policy', 'reference', 'slop_ms', 'queue_size', 'max_wait_ms', 'thermal_offset_ms')}),
        FreezeSettings(values['thermal.freeze_repeats'], values['thermal.freeze_age_ms']),
        ModeSettings(values['mode.timeout_s'], values['mode.recovery_pairs']),
        InputSettings(values['input.max_future_s']))
