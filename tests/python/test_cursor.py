"""The pointer, told of or painted into frames, and damage over frames that were skipped."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import framering
import numpy as np
import pytest


class Pointer:
    """Moves the pointer of a display by Xlib."""

    def __init__(self, display: str) -> None:
        self.xlib = xlib = ctypes.CDLL("libX11.so.6")
        xlib.XOpenDisplay.restype = ctypes.c_void_p
        xlib.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
        xlib.XDefaultRootWindow.restype = ctypes.c_ulong
        xlib.XWarpPointer.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong] + [ctypes.c_int] * 6
        xlib.XSync.argtypes = [ctypes.c_void_p, ctypes.c_int]
        xlib.XCloseDisplay.argtypes = [ctypes.c_void_p]
        self.display = xlib.XOpenDisplay(display.encode())
        assert self.display
        self.root = xlib.XDefaultRootWindow(self.display)

    def move(self, x: int, y: int) -> None:
        self.xlib.XWarpPointer(self.display, 0, self.root, 0, 0, 0, 0, x, y)
        self.xlib.XSync(self.display, 0)

    def close(self) -> None:
        self.xlib.XCloseDisplay(self.display)


@pytest.fixture
def display() -> Iterator[str]:
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "320x200x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    try:
        os.close(write)
        with os.fdopen(read) as number:
            name = ":" + number.readline().strip()
        draw(name, "-solid", "#204060", "-cursor_name", "crosshair")
        yield name
    finally:
        server.terminate()
        server.wait(10)


def draw(display: str, *how: str) -> None:
    subprocess.run(["xsetroot", "-display", display, *how], check=True, timeout=20)


@pytest.fixture
def pointer(display: str) -> Iterator[Pointer]:
    pointer = Pointer(display)
    yield pointer
    pointer.close()


@pytest.fixture
def socket(start_daemon: Callable[..., Any], display: str) -> str:
    sources = ("--source", "screen", "--source", "screen+cursor")
    return str(start_daemon(*sources, "--display", display, "--keepalive-ms", "20").socket)


def test_metadata_tells_of_the_pointer_and_moves_without_a_capture(socket: str, pointer: Pointer) -> None:
    pointer.move(40, 50)
    with framering.open(cursor="metadata", socket=socket) as stream:
        assert stream.cursor == "metadata"
        with stream.wait_until() as frame:
            cursor = frame.cursor
            assert cursor is not None
            assert (cursor.x, cursor.y, cursor.visible) == (40, 50, True)
            shape = cursor.shape
            assert shape is not None
            pixels = shape.numpy()
            assert pixels.shape == (shape.height, shape.width, 4)
            assert pixels[..., 3].any()
            assert (pixels[..., :3] <= pixels[..., 3:]).all(), "premultiplied"
            assert 0 <= shape.hot_x < shape.width
            sequence = frame.sequence
        pointer.move(60, 50)
        with stream.next(timeout=20) as frame:
            assert frame.sequence == sequence
            assert frame.cursor is not None
            assert (frame.cursor.x, frame.cursor.shape) == (60, shape)
    with framering.open(socket=socket) as stream, stream.latest() as frame:
        assert stream.cursor == "hidden"
        assert frame.cursor is None


def test_embedded_paints_the_shape_over_the_desktop(socket: str, pointer: Pointer) -> None:
    pointer.move(100, 100)
    with (
        framering.open(cursor="embedded", socket=socket) as embedded,
        framering.open(cursor="metadata", socket=socket) as plain,
    ):
        moment = time.monotonic_ns()
        with embedded.wait_until(moment) as frame:
            shown = frame.numpy()[..., :3].copy()
        with plain.wait_until(moment) as frame:
            expected = frame.numpy()[..., :3].astype(float)
            cursor = frame.cursor
    assert cursor is not None
    assert cursor.shape is not None
    top, left = cursor.y - cursor.shape.hot_y, cursor.x - cursor.shape.hot_x
    part = expected[top : top + cursor.shape.height, left : left + cursor.shape.width]
    shape = cursor.shape.numpy().astype(float)
    part[...] = np.floor(shape[..., :3] + part * (1 - shape[..., 3:] / 255) + 0.5)
    assert (shown == expected).all()
    assert (shown != (0x60, 0x40, 0x20)).any()


def test_a_handle_of_an_embedded_frame_is_of_its_own_stream(socket: str, pointer: Pointer) -> None:
    pointer.move(100, 100)
    with framering.open(cursor="embedded", socket=socket) as stream, stream.wait_until() as frame:
        with frame.handle().frame() as same:
            assert (same.numpy() == frame.numpy()).all()
        assert frame.handle().source == "screen+cursor"


def test_an_unknown_cursor_word_names_those_that_there_are(socket: str) -> None:
    with pytest.raises(framering.InvalidArgument, match='"hidden", "metadata", "embedded"'):
        framering.open(cursor="shown", socket=socket)  # type: ignore[arg-type]


def test_damage_since_covers_what_was_skipped(socket: str, display: str) -> None:
    with framering.open(max_leases=3, socket=socket) as stream:
        first = stream.wait_until()
        before = first.numpy()[..., :3].copy()
        for color in ("#808080", "#204060", "#ff0000"):
            draw(display, "-solid", color)
            stream.wait_until().release()
        with stream.wait_until() as frame:
            assert frame.damage_since(frame.sequence) == []
            assert frame.damage_since(0) == [framering.Rect(0, 0, 320, 200)]
            covered = np.zeros((200, 320), bool)
            for rect in frame.damage_since(first.sequence):
                covered[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width] = True
            assert covered[(frame.numpy()[..., :3] != before).any(axis=-1)].all()
        with pytest.raises(framering.InvalidArgument):
            frame.damage_since(first.sequence)


def test_a_keepalive_tells_silence_from_death(socket: str) -> None:
    with framering.open(socket=socket) as stream:
        stream.latest().release()
        assert stream.keepalive_ms == 20
        for _ in range(3):
            moment = time.monotonic_ns()
            end = time.monotonic() + 20
            while stream.confirmed_ns < moment:
                assert time.monotonic() < end
                time.sleep(0.002)
