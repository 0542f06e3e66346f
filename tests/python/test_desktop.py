"""X desktops: depths under their own names, resizes that a stream follows, servers that go away."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import framering
import numpy as np
import pytest
import torch
from c_view import PYBUF_SIMPLE, request_buffer
from PIL import Image
from screens import desktop
from xlib import xlib


def rgb8(pixels: Any) -> Any:
    """The upper bits of each channel, in the order red, green, blue."""
    if pixels.dtype == np.uint16:
        return np.stack([pixels >> 11 << 3, pixels >> 5 << 2, pixels << 3], axis=-1).astype(np.uint8)
    if pixels.dtype == np.uint32:
        return np.stack([pixels >> 22, pixels >> 12, pixels >> 2], axis=-1).astype(np.uint8)
    return pixels[..., 2::-1]


@pytest.mark.parametrize(
    ("screen", "format", "shape", "dtype", "strides", "buffer_format"),
    [
        ("101x40x16", "RGB565", (40, 101), np.uint16, (204, 2), "H"),
        ("101x40x24", "BGRX8888", (40, 101, 4), np.uint8, (404, 4, 1), "B"),
        ("101x40x30", "XRGB2101010", (40, 101), np.uint32, (404, 4), "I"),
    ],
)
def test_a_desktop_of_another_depth_keeps_its_format(
    start_daemon: Callable[..., Any],
    screen: str,
    format: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    strides: tuple[int, ...],
    buffer_format: str,
) -> None:
    with desktop(screen, "#ff8000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream, stream.latest() as frame:
            assert (stream.format, stream.shape) == (frame.format, frame.shape) == (format, shape)
            view, pixels = memoryview(frame), frame.numpy()
            assert (view.shape, view.strides, view.format) == (shape, strides, buffer_format)
            assert (pixels.shape, pixels.strides, pixels.dtype) == (shape, strides, dtype)
            assert np.dtype(frame.dtype) == dtype
            assert (rgb8(pixels) & 0xF8 == (0xF8, 0x80, 0)).all()
            for other in (np.asarray(frame), np.from_dlpack(frame), torch.from_dlpack(frame).numpy()):
                assert np.shares_memory(other, pixels)
                assert (other == pixels).all()


def test_padded_rows_are_never_passed_off_as_one_block(start_daemon: Callable[..., Any]) -> None:
    with desktop("101x40x16", "#ff8000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream, stream.latest() as frame:
            assert frame.nbytes == 40 * 202 < frame.stride * frame.height
            assert not memoryview(frame).contiguous
            assert frame.__array_interface__["strides"] == (204, 2)
            assert memoryview(frame).tobytes() == frame.numpy().tobytes()
            assert len(memoryview(frame).tobytes()) == frame.nbytes
            with pytest.raises(BufferError, match="padded"):
                request_buffer(frame, PYBUF_SIMPLE)


def test_a_resize_is_followed_and_older_arrays_stay(start_daemon: Callable[..., Any]) -> None:
    with desktop("800x600x24", "#ff8000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream:
            before = stream.next(timeout=10)
            pixels = before.numpy()
            xrandr = ["xrandr", "--display", display]
            mode = ["small", "25", "641", "656", "752", "800", "479", "490", "492", "525"]
            subprocess.run([*xrandr, "--newmode", *mode], check=True, timeout=20)
            subprocess.run([*xrandr, "--addmode", "screen", "small"], check=True, timeout=20)
            subprocess.run([*xrandr, "--output", "screen", "--mode", "small"], check=True, timeout=20)
            while (after := stream.next(timeout=10)).epoch == before.epoch:
                pass
            assert after.epoch > before.epoch
            assert after.numpy().shape == after.shape == stream.shape == (479, 641, 4)
            assert (rgb8(after.numpy()) == (0xFF, 0x80, 0)).all()
            assert before.shape == pixels.shape == (600, 800, 4)
            assert (rgb8(pixels) == (0xFF, 0x80, 0)).all()


def test_a_stream_whose_source_goes_away_ends_and_says_why(start_daemon: Callable[..., Any]) -> None:
    with desktop("320x200x24", "#ff8000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        stream = framering.open(socket=socket)
        frame = stream.next(timeout=10)
    with stream:
        with pytest.raises(framering.StreamEnded) as ended:
            list(stream)
        assert display in ended.value.message
        assert ended.value.hint
        with pytest.raises(framering.StreamEnded):
            stream.latest()
        with pytest.raises(framering.Unavailable):
            stream.reopen()
        with framering.connect(socket) as connection:
            (info,) = connection.list()
            assert not info.available
            assert info.reason
        assert (rgb8(frame.numpy()) == (0xFF, 0x80, 0)).all()


def test_a_blanked_desktop_is_told(start_daemon: Callable[..., Any]) -> None:
    with desktop("320x200x24", "#ff8000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream:
            stream.next(timeout=10)
            bright = framering.DesktopState(blanked=False, locked=False, away=False)
            assert stream.state == bright
            for force, state in (("activate", dataclasses.replace(bright, blanked=True)), ("reset", bright)):
                subprocess.run(["xset", "-display", display, "s", force], check=True, timeout=20)
                deadline = time.monotonic() + 10
                while stream.state != state and time.monotonic() < deadline:
                    with contextlib.suppress(TimeoutError):
                        stream.next(timeout=0.05)
                assert stream.state == state


@pytest.mark.parametrize("depth", [16, 24, 30])
def test_any_depth_is_converted_to_eight_bits_a_channel(
    start_daemon: Callable[..., Any], tmp_path: Path, depth: int
) -> None:
    chance = random.Random(depth)
    with desktop(f"200x100x{depth}", "#ff8000") as display, xlib(display) as x:
        window = x.create(0, 0, 200, 100, 0)
        x.map(window)
        for _ in range(300):
            place = (
                chance.randrange(200),
                chance.randrange(100),
                chance.randrange(1, 60),
                chance.randrange(1, 40),
            )
            x.fill(window, *place, chance.randrange(2**depth))
        x.sync()
        grab = x.grab()
        words = grab.reshape(100, -1).view(np.uint16 if depth == 16 else np.uint32).reshape(100, 200)
        bits = {16: (5, 6, 5), 24: (8, 8, 8), 30: (10, 10, 10)}[depth]
        truth = np.empty((100, 200, 3), np.uint8)
        shift = 0
        for channel in (2, 1, 0):
            most = 2 ** bits[channel] - 1
            truth[..., channel] = np.rint((words >> shift & most) * (255 / most))
            shift += bits[channel]
        socket = start_daemon("--source", "screen", "--display", display).socket
        with framering.open(socket=socket) as stream, stream.wait_until(timeout=10) as frame:
            assert (frame.to_numpy(channels="RGB") == truth).all()
            assert (frame.to_numpy(channels="BGR") == truth[..., ::-1]).all()
            tensor = frame.to_torch(channels="RGB", dtype="float32", scale=1)
            assert tensor.shape == (3, 100, 200)
            assert np.allclose(tensor.numpy().transpose(1, 2, 0), truth, atol=0.51)
            frame.save(tmp_path / "frame.png")
            with Image.open(tmp_path / "frame.png") as picture:
                assert (np.asarray(picture) == truth).all()
