"""Frames are given back in stream order: a reader that is 50 ms behind sees no other picture."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import framering
import pytest
from cuda_driver import Cuda
from daemons import frameringd
from desktops import run_program
from frames import leases_held, wait_until

pytestmark = pytest.mark.gpu

EXAMPLE = Path(__file__).parents[1] / "examples" / "release_in_order.py"
SOURCE = "test:640x480@240"


@pytest.fixture(params=["cuda", "cuda-ipc"])
def socket(gpu: Cuda, request: pytest.FixtureRequest) -> Iterator[str]:
    pytest.importorskip("torch")
    with frameringd("--source", SOURCE, "--memory", request.param, "--slots", "6") as daemon:
        yield str(daemon.socket)


def changed(socket: str, how: str) -> tuple[int, int]:
    done = run_program(sys.executable, EXAMPLE, how, env={**os.environ, "FRAMERING_SOCKET": socket})
    assert done.returncode == 0, done.stderr
    counts = re.match(r"(\d+) of (\d+) frames", done.stdout)
    assert counts, done.stdout
    return int(counts[1]), int(counts[2])


def test_in_order_no_frame_changes_under_its_reader(socket: str) -> None:
    assert changed(socket, "in-order") == (0, 40)


def test_given_back_too_early_frames_do_change(socket: str) -> None:
    torn, _ = changed(socket, "too-early")
    assert torn > 0


def test_release_names_the_stream_that_reads(socket: str) -> None:
    import torch

    side = torch.cuda.Stream()
    copies: list[tuple[Any, Any]] = []
    with framering.open(SOURCE, socket=socket) as stream:
        for _ in range(20):
            frame = stream.next()
            pixels = torch.from_dlpack(frame)
            then = pixels.clone()
            torch.cuda.synchronize()
            with torch.cuda.stream(side):
                torch.cuda._sleep(100_000_000)
                copies.append((then, pixels.clone()))
            frame.release(stream=side)
            del pixels
        torch.cuda.synchronize()
        assert all((then == late).all() for then, late in copies)
        wait_until(lambda: leases_held(socket) == 0)
