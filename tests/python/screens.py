"""X servers of the tests' own, and what they show."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def desktop(screen: str, color: str, *arguments: str) -> Iterator[str]:
    """An X server of this size and depth ("640x480x16") that shows one color; `arguments` go to Xvfb."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
    command += arguments
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    try:
        os.close(write)
        with os.fdopen(read) as number:
            display = ":" + number.readline().strip()
        paint(display, color)
        yield display
    finally:
        server.terminate()
        server.wait(10)


def paint(display: str, color: str) -> None:
    subprocess.run(["xsetroot", "-display", display, "-solid", color], check=True, timeout=20)


def show_noise(display: str, size: str, folder: Path, seed: int) -> None:
    """Every pixel of its own color, so that none can be mistaken for another."""
    picture = folder / f"noise-{seed}.png"
    noise = ["convert", "-seed", str(seed), "-size", size, "xc:", "+noise", "Random", "-depth", "8", picture]
    subprocess.run(noise, check=True, timeout=60)
    # It says 1 although it has drawn; the tests look at the pixels.
    subprocess.run(["display", "-display", display, "-window", "root", picture], timeout=60)


def split(display: str, *monitors: str) -> None:
    """Divides the screen into RandR monitors: "NAME WIDTH/MMxHEIGHT/MM+X+Y OUTPUT"."""
    for monitor in monitors:
        name, geometry, output = monitor.split()
        command = ["xrandr", "--display", display, "--setmonitor", name, geometry, output]
        subprocess.run(command, check=True, timeout=20)


@contextmanager
def xterm(display: str, title: str, color: str, place: str = "+0+0") -> Iterator[int]:
    """A terminal of this title, as which class it also goes, and color; the id of its window."""
    words = ["xterm", "-display", display, "-T", title, "-class", title, "-bg", color]
    words += ["-bw", "0", "-geometry", f"20x5{place}", "-e", "sleep", "600"]
    child = subprocess.Popen(words)
    try:
        yield find_window(display, title)
    finally:
        child.terminate()
        child.wait(10)


def find_window(display: str, title: str) -> int:
    """Of the visible window of this title, as xdotool finds it; waits for it."""
    command = ["xdotool", "search", "--sync", "--onlyvisible", "--name", f"^{title}$"]
    found = subprocess.run(
        command,
        env={**os.environ, "DISPLAY": display},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return int(found.stdout.split()[-1])


def xdotool(display: str, *words: str) -> None:
    command = ["xdotool", *words]
    subprocess.run(command, env={**os.environ, "DISPLAY": display}, check=True, timeout=20)
