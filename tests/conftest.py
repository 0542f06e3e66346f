"""The driver that tests of frames in GPU memory run on."""

from __future__ import annotations

import pytest
from cuda_driver import Cuda, load_fake_driver, load_gpu_driver


@pytest.fixture(scope="session", params=["fake", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Cuda:
    """A process has one driver: `-m gpu` runs on the machine's, everything else on the fake one."""
    return load_fake_driver() if request.param == "fake" else load_gpu_driver()
