"""Order, lifetimes and failures of a session, on a fake of CUDA and of TensorRT's runtime."""

from dataclasses import fields

from fake_cuda import FakeCuda
from fake_tensorrt import DataType
from fake_tensorrt import FakeTensorRT
import numpy as np
import pytest

from uaafusion_ros.engine.tensorrt.api import Api
from uaafusion_ros.engine.tensorrt.cuda import Cuda
from uaafusion_ros.engine.tensorrt.runtime import Session
from uaafusion_ros.engine.tensorrt.runtime import WARM_UP
from uaafusion_ros.errors import EngineError

SIZE = (4, 6)
PLAN = b'plan 4x6'


def api_of(trt):
    values = {field.name: True for field in fields(Api)}
    return Api(**{**values, 'module': trt, 'flavour': 'tensorrt', 'version': (10, 13)})


def opened(fake, trt=None, plan=PLAN):
    trt = trt or FakeTensorRT(fake)
    return Session(api_of(trt), Cuda(fake), plan, *SIZE)


def pair(seed=0):
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (*SIZE, 3), np.uint8), rng.integers(0, 256, SIZE, np.uint8))


def check(outputs, rgb, thermal):
    fused, mask, confidence = outputs
    np.testing.assert_array_equal(fused, 255 - rgb)
    np.testing.assert_array_equal(mask, thermal // 2)
    np.testing.assert_array_equal(confidence, thermal)


@pytest.mark.parametrize('integrated', [False, True])
@pytest.mark.parametrize('capturable', [False, True])
def test_each_pair_gets_its_own_result(integrated, capturable):
    fake = FakeCuda(integrated)
    trt = FakeTensorRT(fake)
    trt.capturable = capturable
    session = opened(fake, trt)
    kept = [(session.run(*pair(seed)), *pair(seed)) for seed in range(3)]
    for outputs, rgb, thermal in kept:  # the first is checked after the last has run
        check(outputs, rgb, thermal)
    assert (session.no_graph == '') is capturable
    session.close()


def test_discrete_gpu_copies_inside_the_graph_and_allocates_nothing_per_image():
    fake = FakeCuda()
    session = opened(fake)
    del fake.calls[:]
    session.run(*pair())
    assert fake.calls == ['cudaGraphLaunch', 'cudaEventRecord', 'cudaEventSynchronize']
    before = dict(fake.live)
    for seed in range(5):
        session.run(*pair(seed))
    assert fake.live == before


def test_integrated_gpu_copies_nothing():
    fake = FakeCuda(integrated=True)
    session = opened(fake)
    session.run(*pair())
    assert 'cudaMemcpyAsync' not in fake.calls
    assert 'cudaMalloc' not in fake.calls
    assert fake.names().count('mapped memory') == 5
    session.close()


def test_without_a_graph_the_same_calls_are_made_for_each_image():
    fake = FakeCuda()
    trt = FakeTensorRT(fake)
    trt.capturable = False
    session = opened(fake, trt)
    assert session.no_graph == 'TensorRT says that this engine cannot be recorded'
    del fake.calls[:]
    session.run(*pair())
    assert fake.calls == [*['cudaMemcpyAsync'] * 5, 'cudaEventRecord', 'cudaEventSynchronize']


def test_first_runs_come_before_the_capture():
    """TensorRT allocates in its first run, which a capture would forbid."""
    fake = FakeCuda()
    opened(fake)
    begun = fake.calls.index('cudaStreamBeginCapture')
    assert fake.calls[:begun].count('cudaEventSynchronize') == WARM_UP
    assert fake.calls[begun:].count('cudaGraphLaunch') == WARM_UP


def test_everything_is_freed_in_reverse_order():
    fake = FakeCuda()
    trt = FakeTensorRT(fake)
    session = opened(fake, trt)
    session.run(*pair())
    del fake.calls[:]
    session.close()
    assert fake.live == {}
    assert trt.alive == set()
    assert trt.events[-3:] == ['delete context', 'delete engine', 'delete runtime']
    assert fake.calls[:2] == ['cudaGraphExecDestroy', 'cudaStreamSynchronize']
    assert fake.calls[-2:] == ['cudaEventDestroy', 'cudaStreamDestroy']
    session.close()
    assert fake.calls[-1] == 'cudaStreamDestroy'


def healthy_calls(integrated):
    fake = FakeCuda(integrated)
    session = opened(fake)
    session.run(*pair())
    session.close()
    return fake.calls


CASES = [(integrated, index, name) for integrated in (False, True)
         for index, name in enumerate(healthy_calls(integrated))]
CAPTURE = ('cudaStreamBeginCapture', 'cudaStreamEndCapture', 'cudaGraphInstantiate')
RELEASE = ('cudaGraphExecDestroy', 'cudaStreamSynchronize', 'cudaFree', 'cudaFreeHost',
           'cudaEventDestroy', 'cudaStreamDestroy', 'cudaGraphDestroy')


@pytest.mark.parametrize('integrated,index,name', CASES)
def test_each_failing_call_is_reported_and_leaks_nothing(integrated, index, name):
    fake = FakeCuda(integrated, fail_at=index)
    trt = FakeTensorRT(fake)
    session, told = None, ''
    try:
        session = opened(fake, trt)
        told = session.no_graph
        check(session.run(*pair()), *pair())
    except EngineError as error:
        told = str(error)
    if session is not None:
        try:
            session.close()
        except EngineError as error:
            told = str(error)
    assert name in told
    assert 'out of memory (cudaErrorMemoryAllocation, 2)' in told
    assert trt.alive == set()
    # What CUDA refused to release is all that may be left.
    assert len(fake.live) <= (name in RELEASE)
    assert fake.captures == {}


@pytest.mark.parametrize('name', CAPTURE)
def test_a_failed_capture_only_costs_the_graph(name):
    fake = FakeCuda(fail_at=healthy_calls(False).index(name))
    session = opened(fake)
    assert name in session.no_graph
    check(session.run(*pair()), *pair())
    session.close()
    assert fake.live == {}


def test_an_engine_that_will_not_run_during_the_capture_runs_without():
    fake = FakeCuda()
    trt = FakeTensorRT(fake)
    trt.fail_runs = {WARM_UP + 1}
    session = opened(fake, trt)
    assert 'did not run the engine: it does not say why' in session.no_graph
    assert 'cudaGetLastError' in fake.calls
    check(session.run(*pair()), *pair())
    session.close()
    assert fake.live == {}


def test_a_failing_run_is_an_error_and_the_next_may_succeed():
    fake = FakeCuda()
    trt = FakeTensorRT(fake)
    trt.capturable = False
    session = opened(fake, trt)
    trt.fail_runs = {trt.runs + 1}
    with pytest.raises(EngineError, match='did not run the engine'):
        session.run(*pair(1))
    check(session.run(*pair(2)), *pair(2))
    session.close()
    assert fake.live == {}


@pytest.mark.parametrize('change,text', [
    ({'no_context': True}, 'gave no context'),
    ({'dtype': DataType.FLOAT}, 'the engine has the tensors'),
    ({'refuse_shape': True}, r'does not take rgb of shape \(4, 6, 3\)'),
    ({'refuse_address': True}, 'refused the memory of rgb'),
    ({'other_output_shape': True}, r'makes mask of shape \(1, 1\), expected \(4, 6\)'),
    ({'fail_runs': {1}}, 'did not run the engine'),
    ({'explode': TypeError('factory function returned nullptr')},
     'cannot prepare the engine: factory function returned nullptr'),
])
def test_what_tensorrt_refuses_is_reported_and_leaks_nothing(change, text):
    fake = FakeCuda()
    trt = FakeTensorRT(fake)
    vars(trt).update(change)
    with pytest.raises(EngineError, match=text) as kept:
        opened(fake, trt)
    assert fake.live == {}
    assert trt.alive == set(), f'held by the error: {kept}'


def test_a_plan_that_is_none_is_reported_in_tensorrts_words():
    fake = FakeCuda()
    with pytest.raises(EngineError, match='the engine: Error Code 2: readHeader failed'):
        opened(fake, plan=b'rubbish')
    assert fake.live == {}


def test_an_engine_for_another_size_is_refused():
    with pytest.raises(EngineError, match='does not take rgb'):
        opened(FakeCuda(), plan=b'plan 8x8')
