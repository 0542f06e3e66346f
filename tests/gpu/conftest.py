"""The GPU and what is on it, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cuda_driver import Cuda, load_gpu_driver
from desktops import Screen, start_screen


@pytest.fixture(scope="session")
def gpu() -> Cuda:
    return load_gpu_driver()


@pytest.fixture(params=["cuda", "cuda-ipc"])
def screen(gpu: Cuda, request: pytest.FixtureRequest) -> Iterator[Screen]:
    with start_screen(request.param) as screen:
        yield screen
