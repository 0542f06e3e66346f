"""The driver that tests of frames in GPU memory run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cuda import Cuda, load_fake_driver, load_gpu_driver


@pytest.fixture(scope="session", params=["fake", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Iterator[Cuda]:
    """A process has one driver: `-m gpu` runs on the machine's, everything else on the fake one."""
    yield load_fake_driver() if request.param == "fake" else load_gpu_driver()
