"""Daemons of the tests' own; the Python package is the installed one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import framering
from cuda_driver import Cuda
from frames import FAST, STILL, wait_until

DEVICE_SOURCES = (FAST, "test:101x37@240", STILL)


@dataclass(frozen=True)
class Daemon:
    socket: Path
    pid: int


def program() -> str:
    found = shutil.which("frameringd", path=os.environ.get("FRAMERING_BIN"))
    assert found, "build frameringd first: ./dev build"
    return found


@contextlib.contextmanager
def frameringd(
    *arguments: str, env: Mapping[str, str] | None = None, at: Path | None = None
) -> Iterator[Daemon]:
    """With a socket in a folder of its own, unless `at` says where."""
    with tempfile.TemporaryDirectory(prefix="framering-test-") as folder:
        socket = at or Path(folder) / "socket"
        memory = [] if "--memory" in arguments else ["--memory", "host"]
        command = [program(), "--socket", socket, "--log-level", "warn", *memory, *arguments]
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


def with_sources(sources: tuple[str, ...]) -> list[str]:
    return [word for source in sources for word in ("--source", source)]


@dataclass(frozen=True)
class DeviceDaemon:
    """One that keeps its frames on device 0, and this process's driver for it."""

    cuda: Cuda
    memory: str
    socket: str
    pid: int


@contextlib.contextmanager
def device_frameringd(cuda: Cuda, memory: str, *arguments: str) -> Iterator[DeviceDaemon]:
    sources = with_sources(DEVICE_SOURCES)
    with frameringd(*sources, "--memory", memory, "--slots", "24", *arguments, env=cuda.env) as daemon:
        yield DeviceDaemon(cuda, memory, str(daemon.socket), daemon.pid)
