"""Frames in compiled and in captured work of torch."""

from __future__ import annotations

from typing import Any

import framering
import pytest
from desktops import HEIGHT, WIDTH, Screen

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(240)]


@pytest.fixture
def torch(screen: Screen) -> Any:
    return pytest.importorskip("torch")


def test_a_compiled_function_takes_frame_after_frame(torch: Any, screen: Screen) -> None:
    def brightness(pixels: Any) -> Any:
        return pixels[..., :3].float().mean(dim=(0, 1)) / 255

    compiled = torch.compile(brightness)
    with screen.open() as stream:
        for _ in range(8):  # in several slots
            picture = screen.draw()
            frame = screen.shown(stream, picture)
            got = compiled(torch.from_dlpack(frame))
            assert torch.allclose(
                got.cpu().double(), torch.from_numpy(picture).double().mean((0, 1)) / 255, atol=1e-4
            )


def test_a_graph_replays_over_what_a_frame_was_converted_into(torch: Any, screen: Screen) -> None:
    pixels = torch.zeros((3, HEIGHT, WIDTH), dtype=torch.float32, device="cuda")
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            pixels.mean(dim=(1, 2))
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        means = pixels.mean(dim=(1, 2))
    with screen.open() as stream:
        for _ in range(8):
            picture = screen.draw()
            frame = screen.shown(stream, picture)
            frame.to_torch(dtype=torch.float32, out=pixels)
            frame.release(stream=torch.cuda.current_stream())
            graph.replay()
            expected = torch.from_numpy(picture[..., ::-1].copy()).double().mean((0, 1)) / 255
            assert torch.allclose(means.cpu().double(), expected, atol=1e-4)


def warmed_up_total(torch: Any, tensor: Any) -> Any:
    """What the kernels need is there before they are captured, as torch asks for it."""
    total = torch.zeros((), dtype=torch.int64, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(3):
            total.copy_(tensor[..., :3].sum(dtype=torch.int64))
    torch.cuda.synchronize()
    return total


def test_a_graph_of_a_frames_own_pixels_replays_while_the_frame_is_held(torch: Any, screen: Screen) -> None:
    with screen.open() as stream:
        picture = screen.draw()
        frame = screen.shown(stream, picture)
        tensor = torch.from_dlpack(frame)
        total = warmed_up_total(torch, tensor)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            total.copy_(tensor[..., :3].sum(dtype=torch.int64))
        for _ in range(3):
            screen.draw()
            graph.replay()
            assert int(total) == int(picture.sum(dtype="int64"))
        assert frame.valid


def test_what_is_captured_gives_no_lease_back_when_it_is_replayed(torch: Any, screen: Screen) -> None:
    with screen.open() as stream:
        picture = screen.draw()
        frame = screen.shown(stream, picture)
        total = warmed_up_total(torch, torch.from_dlpack(frame))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            tensor = torch.from_dlpack(frame)
            total.copy_(tensor[..., :3].sum(dtype=torch.int64))
            del tensor
            with pytest.raises(framering.InvalidArgument, match="captured"):
                frame.release(stream=torch.cuda.current_stream())
        for _ in range(3):
            screen.draw()
            graph.replay()
            assert int(total) == int(picture.sum(dtype="int64"))
            assert frame.valid
            assert screen.leases() == 1
        assert frame.release(stream=torch.cuda.current_stream())
