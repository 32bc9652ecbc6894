from importlib.util import find_spec

import pytest

# Without PyTorch there is nothing here that could be imported.
collect_ignore_glob = [] if find_spec('torch') else ['test_*.py']


@pytest.fixture(autouse=True, scope='session')
def one_thread():
    import torch
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    import torch
    torch.manual_seed(0)
