"""The X server of the demo, with programs that draw on it."""

import math
import os
from pathlib import Path

from processes import Process, Processes

WIDTH, HEIGHT = 1280, 1024
POINTER_HZ = 60

# A terminal that scrolls, a shape that turns, eyes that follow the pointer, a clock: real X clients that
# together change the screen some 60 times a second.
PROGRAMS = (
    ["xsetroot", "-solid", "#264653"],
    ["xterm", "-geometry", "80x24+40+40", "-fn", "fixed", "-bg", "black", "-fg", "green",
     "-e", "while :; do date +%T.%N; sleep 0.1; done"],
    ["ico", "-geometry", "520x520+680+40", "-bg", "#2a9d8f", "-sleep", "0.015"],
    ["xeyes", "-geometry", "300x200+40+600"],
    ["xclock", "-geometry", "220x220+400+600", "-update", "1", "-bg", "#e9c46a"],
)  # fmt: skip


def circles(seconds: float) -> str:
    """A script for xdotool: the pointer goes round, by the relative motions that a mouse makes."""
    steps = []
    for step in range(int(seconds * POINTER_HZ)):
        angle = math.pi * step / POINTER_HZ
        steps.append(f"mousemove_relative -- {15 * math.cos(angle):.0f} {15 * math.sin(angle):.0f}\n")
        steps.append(f"sleep {1 / POINTER_HZ:.4f}\n")
    return "".join(steps)


def start_server(processes: Processes, screen: str) -> tuple[Process, str]:
    """An X server that nobody sees, with a screen of WIDTHxHEIGHTxDEPTH; returns it and its display."""
    read, write = os.pipe()
    arguments = ["-screen", "0", screen, "-nolisten", "tcp", "-noreset"]
    with os.fdopen(read) as number:
        server = processes.start("Xvfb", ["Xvfb", "-displayfd", str(write), *arguments], pass_fds=[write])
        os.close(write)
        display = ":" + number.readline().strip()
    if display == ":":
        raise server.failure("did not start")
    return server, display


def start_desktop(processes: Processes, folder: Path, seconds: float) -> str:
    """Starts an X server and its programs, lively for these seconds; returns its display."""
    _, display = start_server(processes, f"{WIDTH}x{HEIGHT}x24")
    pointer = folder / "pointer"
    pointer.write_text(circles(seconds))
    for command in (*PROGRAMS, ["xdotool", str(pointer)]):
        processes.start(command[0], command, env={"DISPLAY": display})
    return display
