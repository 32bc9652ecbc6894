"""
What the cameras allow: fused output, one camera alone, or nothing; and when that changes.

All times are integer nanoseconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from uaafusion_ros.settings import ModeSettings
from uaafusion_ros.stream.arrival_stats import ArrivalStats
from uaafusion_ros.stream.pairing import STREAMS

_SHUTTER_NS = 3_000_000_000  # no flat-field correction takes longer


class Mode(str, Enum):
    """What the outputs are made of."""

    FUSED = 'FUSED'                    # pairs
    RGB_ONLY = 'RGB_ONLY'              # thermal is lost, or nothing pairs: RGB frames alone
    THERMAL_ONLY = 'THERMAL_ONLY'      # RGB is lost: thermal frames alone
    THERMAL_FROZEN = 'THERMAL_FROZEN'  # thermal repeats or misses images: RGB frames alone
    STALE = 'STALE'                    # neither camera lives, or none has come yet: no output


# The camera whose frames are published without a partner.
SHOWN_ALONE = {Mode.RGB_ONLY: 'rgb', Mode.THERMAL_FROZEN: 'rgb', Mode.THERMAL_ONLY: 'thermal'}


@dataclass(frozen=True)
class Health:
    """
    The mode, since when it holds (`since_ns`), and why, in a sentence that names the remedy.

    `changes` counts mode changes since construction. `rgb_frozen` says that RGB repeats itself,
    which is no mode: its pairs are still fused.
    """

    mode: Mode
    reason: str
    since_ns: int
    changes: int
    rgb_frozen: bool


class HealthMonitor:
    """
    Decide by arrivals and pairs what may be published: pairs, or frames of one camera alone.

    Tell it of every usable frame (before it is paired), of every pair and of every refused
    image, and call `update` every 50 ms or so. `mode` is the last decision. Not thread-safe.

    A camera is lost after mode.timeout_s of silence, later if it is slow or loses many frames
    (see `stream.arrival_stats`). Twice that long without a pair, while both cameras send, leads
    to RGB_ONLY, too. mode.recovery_pairs pairs without a new fault lead from a single camera back
    to FUSED (from STALE, where nothing is published, the first one does). The pairing `policy` is
    for the hint about cameras that send and do not pair.
    """

    def __init__(self, settings: ModeSettings, policy: str, now_ns: int) -> None:
        """Begin to watch at `now_ns`; before that no camera is missed."""
        self._thermal, self._rgb, self._pairs = (ArrivalStats(now_ns) for _ in range(3))
        self._cameras = {'thermal': self._thermal, 'rgb': self._rgb}
        self.configure(settings, policy)
        self._frozen_since: dict[str, int | None] = dict.fromkeys(STREAMS)
        self._refused = dict.fromkeys(STREAMS, '')
        self._rgb_without_thermal = 0
        self._skips = False
        self._good = 0
        self.mode = Mode.STALE
        self._since_ns = now_ns
        self._changes = 0

    def configure(self, settings: ModeSettings, policy: str) -> None:
        """Take other settings; the mode and what is known of the cameras stay."""
        timeout_ns = int(settings.timeout_s * 1e9)
        self._needed = settings.recovery_pairs
        self._policy = policy
        self._thermal.set_timeout(timeout_ns)
        self._rgb.set_timeout(timeout_ns)
        self._pairs.set_timeout(2 * timeout_ns)

    def on_frame(self, camera: str, now_ns: int, frozen: bool = False) -> Mode:
        """
        Take note of a frame of 'thermal' or 'rgb'; return the mode.

        `frozen` is what `stream.freeze` said. If then `repeats_alone(camera)`, do not pair it.
        """
        if now_ns > max(self._thermal.lost_ns, self._rgb.lost_ns):
            for each in (self._thermal, self._rgb, self._pairs):
                each.excuse(now_ns)  # after a pause the other camera gets its chance, too
        self._cameras[camera].arrive(now_ns)
        self._refused[camera] = ''
        if not frozen:
            self._frozen_since[camera] = None
        elif self._frozen_since[camera] is None:
            self._frozen_since[camera] = now_ns
        self._look_for_a_gap(camera, now_ns)
        return self.update(now_ns)

    def repeats_alone(self, camera: str) -> bool:
        """
        Whether the frame just noted must not be paired: thermal repeats itself while RGB moves.

        Where both repeat themselves, still images are being shown, and they are fused.
        """
        return (camera == 'thermal' and self._frozen_since['thermal'] is not None
                and self._frozen_since['rgb'] is None)

    def on_pair(self, now_ns: int) -> Mode:
        """Take note of a pair; return the mode."""
        self._pairs.arrive(now_ns)
        self._good += 1
        return self.update(now_ns)

    def on_refused(self, camera: str, why: str) -> None:
        """Remember why an image of a camera could not be used, for the reason text."""
        self._refused[camera] = why

    def health(self, now_ns: int) -> Health:
        """Return the state at `now_ns`, changing the mode if a timeout has passed."""
        self.update(now_ns)
        return Health(
            mode=self.mode, reason=self._reason(now_ns), since_ns=self._since_ns,
            changes=self._changes, rgb_frozen=self._frozen_since['rgb'] is not None)

    def update(self, now_ns: int) -> Mode:
        """Return the mode at `now_ns`, changing it if a timeout has passed."""
        mode = self._fault(now_ns)
        if mode is not None:
            self._good = 0
            self._pairs.pause(now_ns)
        elif now_ns > self._pairs.lost_ns:
            mode = Mode.RGB_ONLY
            self._good = 0
        elif self._good >= (1 if self.mode is Mode.STALE else self._needed):
            mode = Mode.FUSED
        if mode is not None and mode is not self.mode:
            self.mode, self._since_ns = mode, now_ns
            self._changes += 1
        return self.mode

    def _fault(self, now: int) -> Mode | None:
        """Return the mode that a camera's fault enforces, None where both do well."""
        thermal_lost = now > self._thermal.lost_ns
        frozen = self._skips or self.repeats_alone('thermal')
        if now > self._rgb.lost_ns:
            return Mode.STALE if thermal_lost or frozen else Mode.THERMAL_ONLY
        if thermal_lost:
            return Mode.RGB_ONLY
        return Mode.THERMAL_FROZEN if frozen else None

    def _look_for_a_gap(self, camera: str, now: int) -> None:
        """Know a shutter by missing frames, while two RGB frames show that time goes on."""
        if camera == 'thermal':
            self._rgb_without_thermal, self._skips = 0, False
            return
        self._rgb_without_thermal += 1
        thermal = self._thermal
        self._skips = (
            thermal.gap_ns is not None and self._rgb_without_thermal > 1
            and now - thermal.since_ns > thermal.gap_ns)

    def _reason(self, now: int) -> str:
        lost = [camera for camera in STREAMS if now > self._cameras[camera].lost_ns]
        if lost:
            return '; '.join(self._silence(camera, now) for camera in lost)
        since = self._frozen_since['thermal']
        if since is not None and self.repeats_alone('thermal'):
            seconds = (now - since) / 1e9
            if now - since < _SHUTTER_NS:
                return f'thermal has repeated one image for {seconds:.1f} s: its shutter is shut'
            return (
                f'thermal has repeated one image for {seconds:.1f} s, longer than a shutter '
                'takes: restart the camera; if its images are allowed to repeat, raise '
                'thermal.freeze_repeats or set it to 0')
        if self._skips:
            return 'thermal skips frames while rgb goes on: a shut shutter, or frames are lost'
        if self.mode is Mode.STALE:
            waiting = [camera for camera, arrivals in self._cameras.items()
                       if arrivals.last_ns is None or arrivals.last_ns < arrivals.since_ns]
            return f'waiting for {" and ".join(waiting) or "a pair"}'
        if self.mode is not Mode.FUSED:
            if now > self._pairs.lost_ns:
                return 'both cameras send, but nothing pairs: ' + (
                    'their stamps are not equal, as sync.policy exact asks; compare the stamps, '
                    'then set sync.policy to nearest' if self._policy == 'exact' else
                    'their stamps lie further apart than sync.slop_ms; compare the stamps, then '
                    'set sync.thermal_offset_ms, or sync.estimate_offset to have it measured')
            return f'both cameras are back; {self._good} of {self._needed} pairs have come'
        if self._frozen_since['rgb'] is None:
            return 'both cameras send and pair'
        if self._frozen_since['thermal'] is not None:
            return 'both cameras repeat one image; they are taken for still images and fused'
        return 'rgb repeats one image while thermal moves: restart the rgb camera'

    def _silence(self, camera: str, now: int) -> str:
        last = self._cameras[camera].last_ns
        text = (f'no image from {camera} yet' if last is None else
                f'no image from {camera} for {(now - last) / 1e9:.1f} s')
        if self._refused[camera]:
            return f'{text}; it sends what is refused: {self._refused[camera]}'
        return f'{text}: check the camera, its cable and its driver'
