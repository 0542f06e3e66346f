"""Frames on the second GPU of a machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cuda_driver import Cuda
from desktops import Screen, start_screen

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(240)]


@pytest.fixture
def torch(gpu: Cuda) -> Any:
    torch = pytest.importorskip("torch")
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    return torch


@pytest.fixture(params=["cuda", "cuda-ipc"])
def second(torch: Any, request: pytest.FixtureRequest) -> Iterator[Screen]:
    with start_screen(f"{request.param}:1") as screen:
        yield screen


def test_frames_are_on_the_device_that_the_daemon_was_told(torch: Any, second: Screen) -> None:
    torch.zeros(1, device="cuda:0")  # the current device is the other one, and stays so
    with second.open() as stream:
        for _ in range(8):  # in several slots
            picture = second.draw()
            frame = second.shown(stream, picture)
            assert frame.device == 1
            assert frame.__dlpack_device__() == (2, 1)
            pixels, converted = torch.from_dlpack(frame), frame.to_torch(channels="BGR", layout="HWC")
            assert pixels.device == converted.device == torch.device("cuda", 1)
            assert (pixels[..., :3].cpu().numpy() == picture).all()
            assert (converted.cpu().numpy() == picture).all()
            assert torch.cuda.current_device() == 0
            frame.release(stream=torch.cuda.current_stream(1))


def test_a_process_reads_frames_of_both(torch: Any, second: Screen) -> None:
    with start_screen("cuda:0") as first, first.open() as on_first, second.open() as on_second:
        for screen, stream in ((first, on_first), (second, on_second)) * 3:
            picture = screen.draw()
            pixels = torch.from_dlpack(screen.shown(stream, picture))
            assert (pixels[..., :3].cpu().numpy() == picture).all()
