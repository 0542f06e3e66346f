"""Desktops on the GPU for the tests of this folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import framering
import numpy as np
from daemons import frameringd
from desktop import start_server
from frames import leases_held, wait_until
from processes import Processes
from x11 import Desktop

WIDTH, HEIGHT = 1283, 721


@dataclass
class Screen:
    """A desktop that a daemon shows on the GPU."""

    desktop: Desktop
    socket: str
    memory: str
    random: np.random.Generator

    def open(self, **options: Any) -> framering.Stream:
        kind = self.memory.partition(":")[0]
        return framering.open(memory=kind, socket=self.socket, **options)

    def draw(self) -> np.ndarray[Any, Any]:
        """Draws something new; returns the whole picture, (height, width, 3) uint8, bytes B G R."""
        noise = self.random.integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
        self.desktop.put(0, 0, noise)
        for _ in range(8):
            x, y = int(self.random.integers(WIDTH - 1)), int(self.random.integers(HEIGHT - 1))
            width, height = int(self.random.integers(1, WIDTH - x)), int(self.random.integers(1, HEIGHT - y))
            self.desktop.fill(x, y, width, height, int(self.random.integers(1 << 24)))
        self.desktop.sync()
        return self.desktop.grab()

    def shown(self, stream: framering.Stream, picture: np.ndarray[Any, Any]) -> framering.Frame:
        """The frame that shows this picture, by a copy of its own."""

        found: list[framering.Frame] = []

        def shows() -> bool:
            found[:] = [stream.latest()]
            return bool((found[0].to_numpy()[..., :3] == picture).all())

        wait_until(shows, 5)
        return found[0]

    def leases(self) -> int:
        return leases_held(self.socket)


@contextlib.contextmanager
def start_screen(memory: str) -> Iterator[Screen]:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    with Processes() as processes:
        _, display = start_server(processes, f"{WIDTH}x{HEIGHT}x24")
        words = ["--display", display, "--memory", memory, "--max-fps", "0"]
        with frameringd(*words) as daemon, Desktop(display, WIDTH, HEIGHT) as desktop:
            yield Screen(desktop, str(daemon.socket), memory, np.random.default_rng(seed))


def run_program(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    options = {"capture_output": True, "text": True, "timeout": 110, **options}
    return subprocess.run(words, **options)
