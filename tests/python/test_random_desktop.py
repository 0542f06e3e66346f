"""Random operations on a desktop, and after each of them what every stream shows against a model of it.

FRAMERING_OPERATIONS: how many; FRAMERING_SEED: which.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import framering
import numpy as np
import pytest
from programs_x11 import read_to_end
from screens import desktop
from test_desktop_changes import add_mode, xrandr
from x_resources import count_resources
from xlib import Xlib, xlib

OPERATIONS = int(os.environ.get("FRAMERING_OPERATIONS", "90"))
LIMIT_S = 30
REGION = (150, 100, 300, 250)
MODES = ((640, 480), (799, 599), (500, 400), (460, 360), (320, 599))


@dataclass
class Window:
    id: int
    stream: framering.Stream
    is_shown: bool
    content: Any  # what it shows, or last showed


class Model:
    """A desktop, the windows on it, and streams of all of them."""

    def __init__(self, display: str, x: Xlib, socket: Path, modes: list[str], chance: random.Random) -> None:
        self.display = display
        self.x = x
        self.connection = framering.connect(str(socket))
        self.chance = chance
        self.modes = modes
        self.windows: list[Window] = []
        self.parts = {
            "screen": self.connection.open("screen"),
            "region": self.connection.open("region:{},{},{}x{}".format(*REGION)),
            "pointer": self.connection.open("screen", cursor="embedded"),
        }

    def close(self) -> None:
        self.parts.clear()
        for window in self.windows:
            self.x.destroy(window.id)
        self.windows.clear()
        self.x.sync()
        self.connection.close()

    def operate(self) -> str:
        """One of them; its name."""
        names = ["draw"] * 4 + [
            "move",
            "resize",
            "stack",
            "hide",
            "create",
            "destroy",
            "mode",
            "shape",
            "point",
        ]
        name = self.chance.choice(names if self.windows else ["create"])
        getattr(self, name)()
        self.x.sync()
        return name

    def some(self) -> Window:
        return self.chance.choice(self.windows)

    def place(self) -> tuple[int, int]:
        return self.chance.randrange(-200, 700), self.chance.randrange(-150, 550)

    def size(self) -> tuple[int, int]:
        return self.chance.randrange(1, 400), self.chance.randrange(1, 300)

    def draw(self) -> None:
        for _ in range(self.chance.randrange(1, 6)):
            self.x.fill(self.some().id, *self.place(), *self.size(), self.chance.randrange(2**24))

    def move(self) -> None:
        self.x.move(self.some().id, *self.place())

    def resize(self) -> None:
        shown = [window for window in self.windows if window.is_shown]
        if shown:
            self.x.resize(self.chance.choice(shown).id, *self.size())

    def stack(self) -> None:
        self.chance.choice([self.x.raise_, self.x.lower])(self.some().id)

    def hide(self) -> None:
        window = self.some()
        (self.x.unmap if window.is_shown else self.x.map)(window.id)
        window.is_shown = not window.is_shown

    def create(self) -> None:
        if len(self.windows) == 5:
            return
        window = self.x.create(*self.place(), *self.size(), self.chance.randrange(2**24))
        self.x.map(window)
        self.x.sync()
        stream = self.connection.open(f"window:{window:#x}")
        self.windows.append(Window(window, stream, True, None))

    def destroy(self) -> None:
        window = self.some()
        self.windows.remove(window)
        self.x.destroy(window.id)
        self.x.sync()
        try:
            read_to_end(window.stream)
        except framering.StreamEnded as ended:
            assert "was closed" in ended.message  # noqa: PT017
        window.stream.close()

    def mode(self) -> None:
        # Told the resolution, lest the screen's size in millimetres be rounded at each switch until it is 0.
        words = ("--dpi", "96", "--output", "screen", "--mode", self.chance.choice(self.modes))
        xrandr(self.display, *words)

    def shape(self) -> None:
        width, height = self.chance.randrange(1, 65), self.chance.randrange(1, 65)
        bits = self.chance.randbytes((width + 7) // 8 * height)
        self.x.set_pointer_picture(width, height, bits, self.chance.randrange(2**24))

    def point(self) -> None:
        self.x.move_pointer(*self.place())

    def check(self) -> None:
        """Every stream shows what the server does."""
        root = self.x.grab()
        left, top, width, height = REGION
        assert_same("screen", self.parts["screen"], root)
        assert_same("region", self.parts["region"], root[top : top + height, left : left + width])
        assert_same("pointer", self.parts["pointer"], self.x.with_pointer())
        for window in self.windows:
            if window.is_shown:
                window.content = self.x.grab(window.id)
            assert_same(f"window {window.id:#x}", window.stream, window.content)


def assert_same(name: str, stream: framering.Stream, pixels: Any) -> None:
    with stream.wait_until(timeout=LIMIT_S) as frame:
        assert frame.shape == pixels.shape, name
        wrong = int((frame.numpy()[..., :3] != pixels[..., :3]).any(axis=-1).sum())
        assert wrong == 0, f"{wrong} wrong pixels of {name}"


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def left_over(connection: framering.Connection, pid: int, display: str) -> tuple[int, int, int]:
    """Streams and descriptors of the daemon, and resources in the server."""
    return len(connection.list()), len(os.listdir(f"/proc/{pid}/fd")), count_resources(display)


def wait_until_equal(look: Callable[[], Any], expected: Any) -> None:
    end = time.monotonic() + LIMIT_S
    while (now := look()) != expected and time.monotonic() < end:
        time.sleep(0.02)
    assert now == expected


@pytest.mark.timeout(120 + 2 * OPERATIONS)
def test_whatever_happens_every_stream_shows_the_truth_and_nothing_is_left(
    start_daemon: Callable[..., Any],
) -> None:
    seed = int(os.environ.get("FRAMERING_SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    with (
        desktop("800x600x24", "#204060") as display,
        xlib(display) as x,
        contextlib.ExitStack() as opened,
    ):
        daemon = start_daemon("--source", "test:8x1@1", "--display", display, "--linger-ms", "0")
        modes = [add_mode(display, *size) for size in MODES]
        connection = opened.enter_context(framering.connect(daemon.socket))
        # Keeps the daemon's connection to the server, in which nothing of the other streams may stay.
        keeper = opened.enter_context(connection.open("region:0,0,40x40", cursor="embedded"))
        x.destroy(x.create(0, 0, 1, 1, 0))  # with the first one, Xlib makes what it keeps
        x.sync()
        keeper.wait_until(timeout=LIMIT_S).release()
        look = partial(left_over, connection, daemon.pid, display)
        before = look()
        memory = []
        for part in range(3):
            model = Model(display, x, daemon.socket, modes, chance)
            for operation in range(OPERATIONS // 3):
                name = model.operate()
                try:
                    model.check()
                except Exception as error:
                    error.add_note(f"FRAMERING_SEED={seed}, part {part}, operation {operation}: {name}")
                    raise
            model.close()
            keeper.wait_until(timeout=LIMIT_S).release()  # follows to the newest size
            wait_until_equal(look, before)
            memory.append(resident_bytes(daemon.pid))
        assert memory[2] < memory[0] + 2**24
    print(f"{OPERATIONS} operations, FRAMERING_SEED={seed}: {before}, {np.array(memory) >> 10} KiB")
