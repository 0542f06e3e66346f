"""Programs on an X server of the test's own: started, asked by xdotool, ended with the test."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import framering
import numpy as np
from xlib import Xlib, xlib

LIMIT_S = 30


class Session:
    """A desktop with programs on it."""

    def __init__(self, display: str, client: Xlib) -> None:
        self.display = display
        self.x = client
        self._env = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in {"WAYLAND_DISPLAY", "GDK_BACKEND"}
            },
            "DISPLAY": display,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "NO_AT_BRIDGE": "1",
        }
        self._programs: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        program = subprocess.Popen(command, env=self._env, start_new_session=True, **{**quiet, **options})
        self._programs.append(program)
        return program

    @contextlib.contextmanager
    def held(self, program: subprocess.Popen[bytes]) -> Iterator[None]:
        """While it and its children are stopped: what draws all the time can be compared then."""
        os.killpg(program.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(program.pid, signal.SIGCONT)

    def run(self, *command: object) -> str:
        words = [str(word) for word in command]
        done = subprocess.run(words, env=self._env, capture_output=True, text=True, timeout=LIMIT_S)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def window(self, *search: str) -> int:
        """The id of the visible window that xdotool finds, once there is one."""
        found = self.wait_for(lambda: self._search("--onlyvisible", *search))
        assert len(found) == 1, found
        return int(found[0])

    def _search(self, *words: str) -> list[str]:
        search = ["xdotool", "search", *words]
        return subprocess.run(
            search, env=self._env, capture_output=True, text=True, timeout=LIMIT_S
        ).stdout.split()

    def wait_for(self, condition: Any) -> Any:
        end = time.monotonic() + LIMIT_S
        while not (value := condition()):
            assert time.monotonic() < end, "this did not come true in time"
            time.sleep(0.02)
        return value

    def root_property(self, name: str) -> str:
        return self.run("xprop", "-root", name)

    def end(self) -> None:
        for program in reversed(self._programs):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait(LIMIT_S)


@contextlib.contextmanager
def session(display: str) -> Iterator[Session]:
    with xlib(display) as client:
        running = Session(display, client)
        try:
            yield running
        finally:
            running.end()


def start_window_manager(desktop: Session) -> None:
    desktop.start("openbox", "--sm-disable")
    desktop.wait_for(lambda: "window id" in desktop.root_property("_NET_SUPPORTING_WM_CHECK"))
    desktop.run("xdotool", "set_num_desktops", 2)


def start_compositor(desktop: Session, name: str) -> None:
    if name == "picom":
        desktop.start("picom", "--backend", "xrender", "--config", "/dev/null")
    elif name == "xcompmgr":
        desktop.start("xcompmgr")


def colors(pixels: Any) -> Any:
    """Of pixels of 4 bytes: without the fourth, which is nobody's."""
    return pixels[..., :3] if pixels.shape[-1] == 4 else pixels


def assert_shows(stream: framering.Stream, x: Xlib, drawable: int | None = None) -> Any:
    """A frame of now is what Xlib grabs, at a moment when both grabs around it agree; returns its pixels."""
    for _ in range(100):
        before = x.grab(drawable)
        with stream.wait_until(timeout=LIMIT_S) as frame:
            pixels = frame.numpy().copy()
        after = x.grab(drawable)
        if before is None or after is None or before.shape != after.shape or not (before == after).all():
            time.sleep(0.02)
            continue
        assert pixels.shape == before.shape
        wrong = np.argwhere((colors(pixels) != colors(before)).any(axis=-1))
        assert len(wrong) == 0, f"{len(wrong)} wrong pixels, the first at {wrong[0]}"
        return pixels
    raise AssertionError("the desktop never stood still")


def read_to_end(stream: framering.Stream) -> None:
    """Raises what ends the stream."""
    for frame in stream:
        frame.release()
