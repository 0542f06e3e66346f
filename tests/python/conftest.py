"""Daemons of the tests' own, with test sources; the Python package is the installed one."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import framering
import pytest
from cuda import Cuda
from frames import FAST, STILL, leases_held, wait_until

TEST_SOURCES = (
    FAST,
    "test:101x37@240",
    "test:8x1@240",
    "test:9x2@240",
    "test:333x77@240",
    "test:1366x771@240",
)


DEVICE_SOURCES = (FAST, "test:101x37@240")


@dataclass(frozen=True)
class Daemon:
    socket: Path
    pid: int


@contextlib.contextmanager
def frameringd(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Daemon]:
    program = shutil.which("frameringd", path=os.environ.get("FRAMERING_BIN"))
    assert program, "build frameringd first: ./dev build"
    with tempfile.TemporaryDirectory(prefix="framering-test-") as folder:
        socket = Path(folder) / "socket"
        memory = [] if "--memory" in arguments else ["--memory", "host"]
        command = [program, "--socket", socket, "--log-level", "warn", *memory, *arguments]
        process = subprocess.Popen(command, env={**os.environ, **(env or {})})
        try:
            wait_until(lambda: process.poll() is not None or answers(socket))
            assert process.poll() is None, "frameringd ended at once"
            yield Daemon(socket, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(socket: Path) -> bool:
    try:
        framering.connect(socket).close()
    except framering.Unavailable:
        return False
    return True


@pytest.fixture
def start_daemon() -> Iterator[Callable[..., Daemon]]:
    with contextlib.ExitStack() as daemons:
        yield lambda *arguments, **options: daemons.enter_context(frameringd(*arguments, **options))


def with_sources(sources: tuple[str, ...]) -> list[str]:
    return [word for source in sources for word in ("--source", source)]


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


@dataclass(frozen=True)
class DeviceDaemon:
    """One that keeps its frames on device 0, and this process's driver for it."""

    cuda: Cuda
    memory: str
    socket: str
    pid: int


@contextlib.contextmanager
def device_frameringd(cuda: Cuda, memory: str, *arguments: str) -> Iterator[DeviceDaemon]:
    sources = with_sources((*DEVICE_SOURCES, STILL))
    with frameringd(*sources, "--memory", memory, "--slots", "24", *arguments, env=cuda.env) as daemon:
        yield DeviceDaemon(cuda, memory, str(daemon.socket), daemon.pid)


@pytest.fixture(scope="session", params=["cuda", "cuda-ipc"])
def device(request: pytest.FixtureRequest, cuda: Cuda) -> Iterator[DeviceDaemon]:
    """A daemon that offers DEVICE_SOURCES and STILL, for each kind of device memory."""
    with device_frameringd(cuda, request.param) as daemon:
        yield daemon


@pytest.fixture
def device_leases(device: DeviceDaemon) -> Callable[[], int]:
    """How many leases this process holds at device's daemon; none at the start."""
    gc.collect()
    assert leases_held(device.socket) == 0
    return lambda: leases_held(device.socket)
