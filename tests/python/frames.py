"""What several tests ask of frames, leases and child processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any

import framering
import numpy as np

FAST = "test:64x48@240"
STILL = "test:64x48@0.01"  # its second frame comes 100 s after the first


def address(array: Any) -> int:
    """Of the first pixel."""
    return int(np.asarray(array).__array_interface__["data"][0])


def frame_number(pixels: np.ndarray[Any, Any]) -> int | None:
    """What the test source wrote into every row, if all rows say the same."""
    nibbles = (pixels[:, :8, 1] & 15).astype(np.uint32)
    numbers = (nibbles << (4 * np.arange(8, dtype=np.uint32))).sum(axis=1, dtype=np.uint64)
    return int(numbers[0]) if (numbers == numbers[0]).all() else None


async def numbers_of(socket: str, count: int) -> list[int]:
    """Of so many frames of FAST, by `async for`, in whatever event loop runs this."""
    numbers: list[int] = []
    with framering.open(FAST, socket=socket) as stream:
        async for frame in stream:
            number = frame_number(frame.numpy())
            assert number is not None
            numbers.append(number)
            del frame
            if len(numbers) == count:
                break
    return numbers


def clients(socket: str) -> list[framering.ClientInfo]:
    """This process's, over all streams."""
    with framering.connect(socket) as connection:
        return [c for stream in connection.list() for c in stream.clients if c.pid == os.getpid()]


def leases_held(socket: str) -> int:
    return sum(client.leases_held for client in clients(socket))


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come true in time"
        time.sleep(0.002)


class Program:
    """A Python program of its own, with warnings as errors; it is ended with the test."""

    def __init__(self, text: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(text), *arguments]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        """The next line that it prints; fails if it ended instead."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return line.rstrip("\n")

    def end(self, seconds: float = 60) -> str:
        """The rest of its output; fails unless it ends well and silently."""
        output, errors = self.process.communicate(timeout=seconds)
        assert (self.process.returncode, errors) == (0, "")
        return output


def run(text: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """The output of a program that must end well."""
    with Program(text, *arguments, env=env) as program:
        return program.end()
