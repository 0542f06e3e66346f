"""Frames in host memory as arrays of JAX and TensorFlow; NumPy's and torch's have files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import framering
import numpy as np
import pytest
from framering.mss import ScreenShot
from frames import STILL

CASES: list[dict[str, Any]] = [
    {"channels": "RGB"},
    {"channels": "BGR", "layout": "CHW"},
    {"channels": "GRAY", "dtype": "float32"},
    {"size": (24, 32), "resize": "area", "dtype": "float16"},
    {"region": (3, 4, 20, 10), "dtype": "float32", "mean": (0.4, 0.5, 0.6), "std": 0.2},
]


@pytest.fixture
def frame(still_socket: str) -> Iterator[framering.Frame]:
    with framering.open(STILL, socket=still_socket) as stream:
        yield stream.latest(timeout=20)


@pytest.fixture(params=["jax", "tensorflow"])
def framework(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, exc_type=ImportError)
    return str(request.param)


def convert(framework: str, frames: Any, **what: Any) -> Any:
    return getattr(framering, f"to_{framework}")(frames, **what)


def test_without_arguments_the_pixels_are_as_they_are(framework: str, frame: framering.Frame) -> None:
    array = convert(framework, frame)
    assert tuple(array.shape) == frame.shape
    np.testing.assert_array_equal(np.asarray(array), frame.numpy())
    np.testing.assert_array_equal(np.asarray(getattr(frame, f"to_{framework}")(copy=True)), frame.numpy())


@pytest.mark.parametrize("what", CASES, ids=str)
def test_conversions_are_those_of_numpy(framework: str, frame: framering.Frame, what: dict[str, Any]) -> None:
    expected = framering.to_numpy(frame, **what)
    array = np.asarray(convert(framework, frame, **what))
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(array, expected)
    batch = np.asarray(convert(framework, [frame, frame], **what))
    np.testing.assert_array_equal(batch, np.stack([expected, expected]))


def test_a_conversion_without_a_copy_is_refused(framework: str, frame: framering.Frame) -> None:
    with pytest.raises(framering.InvalidArgument, match="always a copy"):
        convert(framework, frame, channels="RGB", copy=False)


def test_jax_reads_in_place(frame: framering.Frame) -> None:
    pytest.importorskip("jax")
    array = frame.to_jax(copy=False)
    assert array.unsafe_buffer_pointer() == frame.__array_interface__["data"][0]
    assert frame.to_jax(copy=True).unsafe_buffer_pointer() != array.unsafe_buffer_pointer()


def test_a_tensorflow_tensor_of_host_memory_is_a_copy(frame: framering.Frame) -> None:
    pytest.importorskip("tensorflow")
    with pytest.raises(framering.InvalidArgument, match="only as a copy"):
        frame.to_tensorflow(copy=False)


def test_a_screenshot_as_a_tensorflow_tensor(frame: framering.Frame) -> None:
    pytest.importorskip("tensorflow")
    shot = ScreenShot.from_size(bytearray(frame.numpy().tobytes()), frame.width, frame.height)
    tensor = shot.to_tensorflow()
    assert (tuple(tensor.shape), tensor.dtype.name) == ((48, 64, 3), "float32")
    np.testing.assert_allclose(tensor.numpy(), shot.to_numpy() / 255, atol=1e-6)
    assert tuple(shot.to_tensorflow("bgra", "CHW", "uint8").shape) == (4, 48, 64)
