"""
What the cameras allow: fused output, one camera alone, or nothing; and when that changes.

All times are integer nanoseconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from uaafusion_ros.errors import ParameterError
from uaafusion_ros.stream.order import OutputOrder
from uaafusion_ros.stream.pairing import STREAMS
from uaafusion_ros.stream.rhythm import Rhythm

_SHUTTER_NS = 3_000_000_000  # no flat-field correction takes longer


class Mode(str, Enum):
    """What the outputs are made of."""

    FUSED = 'FUSED'                    # pairs
    RGB_ONLY = 'RGB_ONLY'              # thermal is lost, or nothing pairs: RGB frames alone
    THERMAL_ONLY = 'THERMAL_ONLY'      # RGB is lost: thermal frames alone
    THERMAL_FROZEN = 'THERMAL_FROZEN'  # thermal repeats itself or skips a beat: RGB frames alone
    STALE = 'STALE'                    # neither camera lives, or none has come yet: no output


_LIVING = {Mode.RGB_ONLY: 'rgb', Mode.THERMAL_FROZEN: 'rgb', Mode.THERMAL_ONLY: 'thermal'}


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
    Decide by arrivals and pairs what is published: pairs, or frames of one camera alone.

    Tell it of every usable frame (before it is paired), of every pair and of every refused
    image, and call `mode` or `health` every 50 ms or so. What it lets pass has rising stamps,
    no stamp twice. Not thread-safe: one thread, or a lock.

    now_ns: when watching begins; no camera is missed before timeout_ns has passed since then.
    timeout_ns: silence after which a camera is lost, longer for one that is slow or loses many
        frames (see `stream.rhythm`). Twice that long without a pair, while both cameras send,
        leads to RGB_ONLY, too.
    recovery_pairs: so many pairs without a new fault lead from a single camera back to FUSED
        (from STALE, where nothing is published, the first one does).
    reference: 'rgb' or 'thermal', whose stamp the output of a pair carries.

    Raises ParameterError for a setting out of range.
    """

    def __init__(
        self, now_ns: int, *, timeout_ns: int = 500_000_000, recovery_pairs: int = 3,
        reference: str = 'rgb',
    ) -> None:
        for name, value in (('timeout_ns', timeout_ns), ('recovery_pairs', recovery_pairs)):
            if value < 1:
                raise ParameterError(f'{name} is {value}, accepted is 1 or more: raise it')
        if reference not in STREAMS:
            raise ParameterError(
                f"reference is {reference!r}, accepted are 'thermal' and 'rgb': name the camera "
                'whose stamps the output shall carry')
        self._needed = recovery_pairs
        self._reference = reference
        self._cameras = {camera: Rhythm(timeout_ns) for camera in STREAMS}
        self._pairs = Rhythm(2 * timeout_ns)
        self._order = OutputOrder()
        self._frozen_since: dict[str, int | None] = dict.fromkeys(STREAMS)
        self._refused = dict.fromkeys(STREAMS, '')
        self._rgb_without_thermal = 0
        self._skips = False
        self._watch_ns = now_ns      # silence before this is not held against a camera
        self._fault_ns = now_ns      # when a camera was last seen at fault
        self._good = 0
        self._mode = Mode.STALE
        self._since_ns = now_ns
        self._changes = 0

    def frame(self, camera: str, stamp_ns: int, now_ns: int, frozen: bool = False) -> bool:
        """
        Take note of a frame of 'thermal' or 'rgb'; return whether to publish it alone, now.

        `frozen` is what `stream.freeze` said. Then do not pair it if `is_ghost(camera)`.
        """
        rhythm = self._cameras.get(camera)
        if rhythm is None:
            raise ParameterError(
                f"camera is {camera!r}, accepted are 'thermal' and 'rgb': name the camera")
        if all(self._lost(name, now_ns) for name in STREAMS):
            self._watch_ns = now_ns  # after a pause the other camera gets its chance, too
        rhythm.tick(now_ns)
        self._refused[camera] = ''
        if not frozen:
            self._frozen_since[camera] = None
        elif self._frozen_since[camera] is None:
            self._frozen_since[camera] = now_ns
        self._look_for_a_gap(camera, now_ns)
        self._update(now_ns)
        return (_LIVING.get(self._mode) == camera
                and self._order.alone(camera, stamp_ns, now_ns))

    def is_ghost(self, camera: str) -> bool:
        """
        Whether the frame just noted must not be paired: thermal repeats itself while RGB moves.

        Where both repeat themselves, still images are being shown, and they are fused.
        """
        return (camera == 'thermal' and self._frozen_since['thermal'] is not None
                and self._frozen_since['rgb'] is None)

    def pair(self, thermal_stamp_ns: int, rgb_stamp_ns: int, now_ns: int) -> bool:
        """
        Take note of a pair; return whether to publish it.

        False where its stamp, or a newer one, has been published before.
        """
        self._pairs.tick(now_ns)
        self._good += 1
        self._update(now_ns)
        return self._order.pair(
            rgb_stamp_ns if self._reference == 'rgb' else thermal_stamp_ns, now_ns)

    def refused(self, camera: str, why: str) -> None:
        """Remember why an image of a camera could not be used, for the reason text."""
        self._refused[camera] = why

    def mode(self, now_ns: int) -> Mode:
        """Return the mode at `now_ns`, changing it if a timeout has passed."""
        self._update(now_ns)
        return self._mode

    def health(self, now_ns: int) -> Health:
        """Return the state at `now_ns`, changing the mode if a timeout has passed."""
        self._update(now_ns)
        return Health(
            mode=self._mode, reason=self._reason(now_ns), since_ns=self._since_ns,
            changes=self._changes, rgb_frozen=self._frozen_since['rgb'] is not None)

    def reset(self) -> None:
        """Forget the stamps published, as time has jumped; the mode stays."""
        self._order.restart()

    def _lost(self, camera: str, now: int) -> bool:
        rhythm = self._cameras[camera]
        return rhythm.silence_ns(now, self._watch_ns) > rhythm.patience_ns

    def _look_for_a_gap(self, camera: str, now: int) -> None:
        """Know a shutter by missing frames, while two RGB frames show that time goes on."""
        if camera == 'thermal':
            self._rgb_without_thermal, self._skips = 0, False
            return
        self._rgb_without_thermal += 1
        thermal = self._cameras['thermal']
        self._skips = (
            thermal.gap_ns is not None and self._rgb_without_thermal > 1
            and thermal.silence_ns(now, self._watch_ns) > thermal.gap_ns)

    def _update(self, now: int) -> None:
        fault = self._fault(now)
        if fault is not None:
            self._good = 0
            self._enter(fault, now)
        elif self._good >= (1 if self._mode is Mode.STALE else self._needed):
            self._enter(Mode.FUSED, now)

    def _fault(self, now: int) -> Mode | None:
        """Return the mode that the cameras enforce, None where pairs may be fused."""
        thermal_lost, rgb_lost = self._lost('thermal', now), self._lost('rgb', now)
        frozen = self.is_ghost('thermal') or self._skips
        if rgb_lost:
            fault = Mode.STALE if thermal_lost or frozen else Mode.THERMAL_ONLY
        elif thermal_lost:
            fault = Mode.RGB_ONLY
        elif frozen:
            fault = Mode.THERMAL_FROZEN
        else:
            return Mode.RGB_ONLY if self._unpaired(now) else None
        self._fault_ns = now
        self._pairs.pause()
        return fault

    def _unpaired(self, now: int) -> bool:
        since = max(self._watch_ns, self._fault_ns)
        return self._pairs.silence_ns(now, since) > self._pairs.patience_ns

    def _enter(self, mode: Mode, now: int) -> None:
        if mode is not self._mode:
            self._mode, self._since_ns = mode, now
            self._changes += 1

    def _reason(self, now: int) -> str:
        lost = [camera for camera in STREAMS if self._lost(camera, now)]
        if lost:
            return '; '.join(self._silence(camera, now) for camera in lost)
        if self.is_ghost('thermal'):
            seconds = (now - self._frozen_since['thermal']) / 1e9
            if now - self._frozen_since['thermal'] < _SHUTTER_NS:
                return f'thermal has repeated one image for {seconds:.1f} s: its shutter is shut'
            return (
                f'thermal has repeated one image for {seconds:.1f} s, longer than a shutter '
                'takes: restart the camera; if its images are allowed to repeat, raise '
                'thermal.freeze_repeats or set it to 0')
        if self._skips:
            return 'thermal skips frames while rgb goes on: a shut shutter, or frames are lost'
        if self._mode is Mode.STALE:
            waiting = [camera for camera in STREAMS
                       if (self._cameras[camera].heard_ns or 0) < self._watch_ns]
            return f'waiting for {" and ".join(waiting) or "a pair"}'
        if self._mode is not Mode.FUSED:
            if self._unpaired(now):
                return (
                    'both cameras send, but nothing pairs: their stamps lie further apart than '
                    'sync.slop_ms; compare the stamps, then set sync.thermal_offset_ms')
            return f'both cameras are back; {self._good} of {self._needed} pairs have come'
        if self._frozen_since['rgb'] is None:
            return 'both cameras send and pair'
        if self._frozen_since['thermal'] is not None:
            return 'both cameras repeat one image; they are taken for still images and fused'
        return 'rgb repeats one image while thermal moves: restart the rgb camera'

    def _silence(self, camera: str, now: int) -> str:
        heard = self._cameras[camera].heard_ns
        text = (f'no image from {camera} yet' if heard is None else
                f'no image from {camera} for {(now - heard) / 1e9:.1f} s')
        if self._refused[camera]:
            return f'{text}; it sends what is refused: {self._refused[camera]}'
        return f'{text}: check the camera, its cable and its driver'
