"""A real builder under a garbage collector at the worst moment, and two of them at once."""

import gc
from pathlib import Path
import subprocess
import sys

import pytest

from uaafusion_ros.engine.tensorrt.api import forget_frames

HERE = Path(__file__).parent
# A process of its own, as without the precautions it would wait for ever.
COMMON = '''
import faulthandler, gc, random, sys, threading
faulthandler.dump_traceback_later(100, exit=True)
import test_builder as cases
from uaafusion_ros.engine.tensorrt import api as apis, builder
rtx = apis.load('tensorrt_rtx')
graphs = [cases.model(*graph) for graph in (
    cases.UNSUPPORTED, cases.FOREIGN, cases.WRONG_TYPE, cases.WRONG_SHAPE)]
options = builder.BuildOptions(cases.SMALL, cases.FP32, 'SM86')

def fail(data, progress=None):
    try:
        builder.build(rtx, data, options, progress)
    except (builder.EngineError, KeyError) as error:
        caught = [error]
        caught.append(caught)  # as pytest.raises(...) as caught does
    else:
        raise SystemExit('that was to fail')
'''
COLLECTED = COMMON + '''
from uaafusion_ros.engine import models
fast = models.shipped('fast')[0].read_bytes()
gc.set_threshold(20, 1, 1)

def progress(phase, share):
    raise KeyError(phase)

for _ in range(60):
    for data in graphs:
        fail(data)
    fail(fast[:len(fast) // 2])
for _ in range(3):
    fail(fast, progress)
    fail(graphs[0])
'''
AT_ONCE = COMMON + '''
sys.setswitchinterval(1e-6)

def work():
    for _ in range(500):
        fail(random.choice(graphs))
    ended.append(True)

ended = []
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert ended == [True, True]
'''


@pytest.mark.parametrize('code', [COLLECTED, AT_ONCE], ids=['collected', 'at once'])
def test_builds_that_fail_never_stop_the_process(code):
    pytest.importorskip('tensorrt_rtx')
    pytest.importorskip('onnx')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=HERE,
                          timeout=150)
    assert done.returncode == 0, done.stderr[-2000:]


class Thing:
    """What must not outlive the call that failed."""

    alive = 0

    def __init__(self):
        Thing.alive += 1

    def __del__(self):
        Thing.alive -= 1


def deep():
    thing = Thing()
    raise ValueError(f'{type(thing).__name__} failed')


def translated():
    thing = Thing()
    try:
        deep()
    except ValueError as error:
        raise KeyError(f'{type(thing).__name__}') from error


def hidden():
    thing = Thing()
    try:
        deep()
    finally:
        raise KeyError(f'{type(thing).__name__}')


@pytest.mark.parametrize('fails', [deep, translated, hidden])
def test_nothing_is_kept_by_an_error_that_is(fails):
    assert Thing.alive == 0
    kept = []
    gc.disable()
    try:
        try:
            fails()
        except (ValueError, KeyError) as error:
            assert Thing.alive > 0
            forget_frames(error)
            kept.append(error)
        assert Thing.alive == 0
        assert kept[0].__traceback__ is not None, 'where it happened is still told'
    finally:
        gc.enable()


def test_errors_that_led_to_each_other_end():
    one, other = ValueError('one'), ValueError('other')
    one.__context__, other.__context__ = other, one
    forget_frames(one)
