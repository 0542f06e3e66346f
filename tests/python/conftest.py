"""Daemons for the tests of this folder."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cuda_driver import Cuda
from daemons import Daemon, DeviceDaemon, device_frameringd, frameringd, with_sources
from frames import FAST, STILL, leases_held

HERE = Path(__file__).parent
# JAX says so at every fork once a test has imported it; the children here do not use it.
FORK_WITH_JAX = r"ignore:os\.fork\(\) was called.*JAX:RuntimeWarning"

TEST_SOURCES = (
    FAST,
    "test:101x37@240",
    "test:8x1@240",
    "test:9x2@240",
    "test:333x77@240",
    "test:1366x771@240",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings fail the tests of this folder, and so does what is left open (ResourceWarning)."""
    for item in items:
        if item.path.parent == HERE:
            # First, so that a test's own filters come after it.
            item.add_marker(pytest.mark.filterwarnings("error", FORK_WITH_JAX), append=False)


@pytest.fixture
def start_daemon() -> Iterator[Callable[..., Daemon]]:
    with contextlib.ExitStack() as daemons:
        yield lambda *arguments, **options: daemons.enter_context(frameringd(*arguments, **options))


@pytest.fixture(scope="session")
def test_socket() -> Iterator[str]:
    """Of a daemon that offers TEST_SOURCES."""
    with frameringd(*with_sources(TEST_SOURCES), "--slots", "24") as daemon:
        yield str(daemon.socket)


@pytest.fixture
def still_socket(start_daemon: Callable[..., Daemon]) -> str:
    """Of a daemon of its own that offers STILL."""
    return str(start_daemon("--source", STILL).socket)


@pytest.fixture(scope="session")
def short_lease_socket() -> Iterator[str]:
    """Of a daemon with few slots that takes frames back after 100 ms."""
    with frameringd("--source", FAST, "--slots", "3", "--lease-ms", "100") as daemon:
        yield str(daemon.socket)


@pytest.fixture
def leases(test_socket: str) -> Callable[[], int]:
    """How many leases this process holds at test_socket's daemon; none at the start."""
    gc.collect()
    assert leases_held(test_socket) == 0
    return lambda: leases_held(test_socket)


@pytest.fixture(scope="session", params=["cuda", "cuda-ipc"])
def device(request: pytest.FixtureRequest, cuda: Cuda) -> Iterator[DeviceDaemon]:
    """A daemon that offers DEVICE_SOURCES, for each kind of device memory."""
    with device_frameringd(cuda, request.param) as daemon:
        yield daemon


@pytest.fixture
def device_leases(device: DeviceDaemon) -> Callable[[], int]:
    """How many leases this process holds at device's daemon; none at the start."""
    gc.collect()
    assert leases_held(device.socket) == 0
    return lambda: leases_held(device.socket)
