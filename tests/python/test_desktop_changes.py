"""A desktop that changes its size, its monitors, its depth or its server under its readers."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import framering
import pytest
from programs_x11 import assert_shows, read_to_end, session
from screens import desktop, paint, split
from xlib import xlib

LIMIT_S = 30


def xrandr(display: str, *words: str) -> None:
    subprocess.run(["xrandr", "--display", display, *words], check=True, timeout=LIMIT_S, capture_output=True)


def add_mode(display: str, width: int, height: int) -> str:
    """A mode of this size for the only output; its name."""
    name = f"{width}x{height}"
    timing = (width, width + 8, width + 16, width + 32, height, height + 2, height + 4, height + 8)
    xrandr(display, "--newmode", name, "25", *(str(number) for number in timing))
    xrandr(display, "--addmode", "screen", name)
    return name


def frames_of_epoch_after(stream: framering.Stream, epoch: int) -> framering.Frame:
    """The first frame of a newer epoch; none on the way has another size than it says."""
    while True:
        frame = stream.next(timeout=LIMIT_S)
        assert frame.numpy().shape == frame.shape == (frame.height, frame.width, 4)
        if frame.epoch > epoch:
            return frame
        frame.release()


def test_each_mode_switch_is_one_new_epoch_of_the_right_size(start_daemon: Callable[..., Any]) -> None:
    seed = int(os.environ.get("FRAMERING_SEED", random.randrange(2**32)))
    print(f"FRAMERING_SEED={seed}")
    chance = random.Random(seed)
    with desktop("800x600x24", "#ff8000") as display, xlib(display) as x:
        socket = start_daemon("--source", "screen", "--display", display).socket
        names = {add_mode(display, *size): size for size in ((640, 480), (799, 599), (320, 599), (417, 33))}
        with framering.open(socket=socket) as stream:
            epoch, size = stream.next(timeout=LIMIT_S).epoch, (800, 600)
            for _ in range(8):
                name = chance.choice([name for name in names if names[name] != size])
                size = names[name]
                xrandr(display, "--output", "screen", "--mode", name)
                with frames_of_epoch_after(stream, epoch) as frame:
                    assert (frame.width, frame.height) == size
                    assert frame.epoch == epoch + 1
                    epoch = frame.epoch
                paint(display, f"#{chance.randrange(2**24):06x}")
                assert_shows(stream, x)
            assert stream.epoch == epoch, "nothing changes without a change"


def test_another_resolution_of_the_same_pixels_changes_nothing(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#0080ff") as display, session(display) as s:
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream:
            epoch = stream.next(timeout=LIMIT_S).epoch
            for millimeters, color in (("100x75", "#112233"), ("400x300", "#332211")):
                xrandr(display, "--fbmm", millimeters)
                assert f"({millimeters} millimeters)" in s.run("xdpyinfo")
                paint(display, color)
                assert_shows(stream, s.x)
                assert framering.monitors(socket)[0].scale == 1
            assert stream.epoch == epoch


def test_a_region_that_no_longer_fits_is_clipped_and_grows_again(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#0080ff") as display, xlib(display) as x:
        socket = start_daemon("--source", "screen", "--display", display).socket
        small, large = add_mode(display, 500, 300), add_mode(display, 799, 600)
        with framering.open("region:400,200,300x300", socket=socket) as stream:
            epoch = stream.next(timeout=LIMIT_S).epoch
            for name, size in ((small, (100, 100)), (large, (300, 300))):
                xrandr(display, "--output", "screen", "--mode", name)
                paint(display, "#123456" if name == small else "#654321")
                with frames_of_epoch_after(stream, epoch) as frame:
                    assert (frame.x, frame.y, frame.width, frame.height) == (400, 200, *size)
                    epoch = frame.epoch
                grab = x.grab()[200 : 200 + size[1], 400 : 400 + size[0]]
                with stream.wait_until(timeout=LIMIT_S) as frame:
                    assert (frame.numpy()[..., :3] == grab[..., :3]).all()


def test_a_region_that_lies_outside_ends_and_can_be_opened_again(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#0080ff") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        small, large = add_mode(display, 300, 200), add_mode(display, 799, 600)
        with framering.open("region:400,300,100x100", socket=socket) as stream:
            stream.next(timeout=LIMIT_S).release()
            xrandr(display, "--output", "screen", "--mode", small)
            with pytest.raises(framering.StreamEnded, match="nothing of it is on the desktop"):
                read_to_end(stream)
            xrandr(display, "--output", "screen", "--mode", large)
            reopen(stream)
            assert stream.latest(timeout=LIMIT_S).shape == (100, 100, 4)


def reopen(stream: framering.Stream) -> None:
    """Once its source is back."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return stream.reopen()
        except framering.Unavailable:
            assert time.monotonic() < end, "it did not come back"
            time.sleep(0.05)


def test_monitors_come_move_and_go(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#0080ff") as display, session(display) as s:
        split(display, "LEFT 400/100x600/150+0+0 screen", "RIGHT 400/100x600/150+400+0 none")
        socket = start_daemon("--source", "screen", "--display", display).socket
        s.start("xterm", "-geometry", "40x20+350+100", "-e", "sh", "-c", "seq 1 200; exec sleep 1000")
        s.window("--class", "xterm")
        with (
            framering.open("monitor:RIGHT", socket=socket) as right,
            framering.open("screen", socket=socket) as screen,
        ):
            place, size = (400, 0), (400, 600)
            for geometry in ("300/100x500/150+350+50", "401/100x333/150+399+1"):
                epoch = right.latest(timeout=LIMIT_S).epoch
                xrandr(display, "--delmonitor", "RIGHT", "--setmonitor", "RIGHT", geometry, "none")
                width, height = (int(word.split("/")[0]) for word in geometry.split("+")[0].split("x"))
                place, size = tuple(int(word) for word in geometry.split("+")[1:]), (width, height)
                with frames_of_epoch_after(right, epoch) as frame:
                    assert (frame.x, frame.y, frame.width, frame.height) == (*place, *size)
                assert_part(right, s.x, place, size)
            assert_shows(screen, s.x)
            xrandr(display, "--delmonitor", "RIGHT")
            with pytest.raises(framering.StreamEnded, match="RIGHT"):
                read_to_end(right)
            split(display, "RIGHT 200/100x100/150+500+400 none")
            reopen(right)
            assert_part(right, s.x, (500, 400), (200, 100))


def assert_part(stream: framering.Stream, x: Any, place: tuple[int, ...], size: tuple[int, int]) -> None:
    """A frame of now is that part of the desktop, at a moment when nothing is drawn."""
    for _ in range(100):
        before = x.grab()
        with stream.wait_until(timeout=LIMIT_S) as frame:
            pixels = frame.numpy().copy()
        if (before == x.grab()).all():
            part = before[place[1] : place[1] + size[1], place[0] : place[0] + size[0]]
            assert pixels.shape == part.shape
            assert (pixels[..., :3] == part[..., :3]).all()
            return
    raise AssertionError("the desktop never stood still")


@contextlib.contextmanager
def nested_server(outer: str, display: str, size: str) -> Iterator[str]:
    """A Xephyr of this size, of this display or a free one; ended with SIGKILL."""
    read, write = os.pipe()
    number = [display] if display else []
    command = ["Xephyr", *number, "-displayfd", str(write), "-screen", size, "-noreset", "-nolisten", "tcp"]
    server = subprocess.Popen(
        command, pass_fds=[write], env={**os.environ, "DISPLAY": outer}, stderr=subprocess.DEVNULL
    )
    try:
        os.close(write)
        with os.fdopen(read) as pipe:
            yield ":" + pipe.readline().strip()
    finally:
        server.kill()
        server.wait(LIMIT_S)


def test_a_nested_server_that_is_started_anew_is_captured_anew(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#000000") as outer:
        with nested_server(outer, "", "400x300") as display, xlib(display) as x:
            paint(display, "#aa5500")
            socket = start_daemon("--source", "screen", "--display", display).socket
            stream = framering.open(socket=socket)
            assert_shows(stream, x)
        for size, shape, color in (("500x200", (200, 500), "#0055aa"), ("400x300", (300, 400), "#55aa00")):
            with pytest.raises(framering.StreamEnded, match="has gone"):
                read_to_end(stream)
            with nested_server(outer, display, size), xlib(display) as x:
                paint(display, color)
                reopen(stream)
                assert assert_shows(stream, x).shape[:2] == shape
        stream.close()


def test_a_rotated_desktop_is_followed(start_daemon: Callable[..., Any]) -> None:
    with (
        desktop("800x600x24", "#000000") as outer,
        nested_server(outer, "", "400x300") as display,
        session(display) as s,
    ):
        s.start("xterm", "-geometry", "30x10+20+20", "-e", "sh", "-c", "seq 1 200; exec sleep 1000")
        s.window("--class", "xterm")
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream:
            assert_shows(stream, s.x)
            for rotation, shape in (("left", (400, 300)), ("inverted", (300, 400)), ("right", (400, 300))):
                xrandr(display, "-o", rotation)
                paint(display, "#335577")
                assert assert_shows(stream, s.x).shape[:2] == shape


XORG = """
Section "Device"
  Identifier "device"
  Driver "dummy"
EndSection
Section "Screen"
  Identifier "screen"
  Device "device"
  SubSection "Display"
    Depth 24
    Modes "1024x768"
  EndSubSection
EndSection
Section "ServerFlags"
  Option "AutoAddDevices" "false"
  Option "AutoAddGPU" "false"
EndSection
"""


@contextlib.contextmanager
def xorg(folder: Path) -> Iterator[str]:
    """An Xorg with the dummy driver. Skips where it does not start: it wants root, or a console."""
    config = folder / "xorg.conf"
    config.write_text(XORG)
    read, write = os.pipe()
    command = ["Xorg", "-displayfd", str(write), "-config", str(config), "-logfile", str(folder / "log")]
    command += ["-noreset", "-nolisten", "tcp", "-novtswitch", "-sharevts"]
    try:
        server = subprocess.Popen(
            command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except FileNotFoundError:
        pytest.skip("there is no Xorg")
    try:
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            pytest.skip("Xorg does not start here")
        yield ":" + number
    finally:
        server.terminate()
        server.wait(LIMIT_S)


def test_an_xorg_server_is_captured_through_its_mode_switches(
    start_daemon: Callable[..., Any], tmp_path: Path
) -> None:
    with xorg(tmp_path) as display, session(display) as s:
        s.start("xterm", "-geometry", "30x10+20+20", "-e", "sh", "-c", "seq 1 200; exec sleep 1000")
        s.window("--class", "xterm")
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream:
            assert assert_shows(stream, s.x).shape == (768, 1024, 4)
            for width, height in ((640, 480), (800, 600), (1024, 768)):
                epoch = stream.epoch
                xrandr(display, "--output", "DUMMY0", "--mode", f"{width}x{height}")
                with frames_of_epoch_after(stream, epoch) as frame:
                    assert (frame.width, frame.height) == (width, height)
                paint(display, f"#{width:06x}")
                assert_shows(stream, s.x)
