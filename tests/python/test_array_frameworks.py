"""Frames in host memory as arrays of each framework, and converted into them."""

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
FLOATS = ("float32", "bfloat16")
# Where it is not "HWC" unless `layout` says so.
LAYOUTS: dict[str, dict[str, Any]] = {"torch": {"layout": "CHW"}}


@pytest.fixture
def frame(still_socket: str) -> Iterator[framering.Frame]:
    with framering.open(STILL, socket=still_socket) as stream:
        yield stream.latest(timeout=20)


@pytest.fixture(params=["torch", "jax", "tensorflow"])
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
    expected = framering.to_numpy(frame, **{**LAYOUTS.get(framework, {}), **what})
    array = np.asarray(convert(framework, frame, **what))
    assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(array, expected)
    batch = np.asarray(convert(framework, [frame, frame], **what))
    np.testing.assert_array_equal(batch, np.stack([expected, expected]))


def test_a_conversion_without_a_copy_is_refused(framework: str, frame: framering.Frame) -> None:
    with pytest.raises(framering.InvalidArgument, match="always a copy"):
        convert(framework, frame, channels="RGB", copy=False)


def test_bfloat16_is_that_of_the_framework(framework: str, frame: framering.Frame) -> None:
    wide, narrow = (as_float32(convert(framework, frame, dtype=name)) for name in FLOATS)
    assert narrow.shape == wide.shape
    np.testing.assert_allclose(narrow, wide, rtol=2**-8)
    assert (narrow.view(np.uint32) & 0xFFFF == 0).all()


def as_float32(array: Any) -> np.ndarray[Any, Any]:
    # torch has no NumPy array of bfloat16; the others bring a dtype along.
    return np.asarray(array.float() if hasattr(array, "float") else array).astype(np.float32)


@pytest.fixture(params=["numpy", "torch"])
def library(request: pytest.FixtureRequest) -> Any:
    """One whose arrays may be written to."""
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("what", CASES, ids=str)
def test_out_takes_the_result_and_is_returned(
    library: Any, frame: framering.Frame, what: dict[str, Any]
) -> None:
    to = getattr(framering, f"to_{library.__name__}")
    for frames in (frame, [frame, frame]):
        expected = to(frames, **what)
        out = library.zeros_like(expected)
        assert to(frames, **what, out=out) is out
        assert (out == expected).all()
        without_dtype = {name: value for name, value in what.items() if name != "dtype"}
        assert (to(frames, **without_dtype, out=library.zeros_like(expected)) == expected).all()


def test_out_that_does_not_fit_is_refused_with_what_would(library: Any, frame: framering.Frame) -> None:
    def refused(out: Any, says: str, **what: Any) -> None:
        with pytest.raises(framering.InvalidArgument, match=says):
            getattr(frame, f"to_{library.__name__}")(layout="HWC", out=out, **what)

    refused(
        library.zeros((48, 64, 4), dtype=library.uint8),
        r"out must be of shape \(48, 64, 3\), not \(48, 64, 4\)$",
    )
    refused(library.zeros((48, 128, 3), dtype=library.uint8)[:, ::2], "out must be contiguous$")
    wrong = library.zeros((48, 64, 3), dtype=library.float32)
    refused(wrong, "out must be of dtype uint8, not float32$", dtype="uint8")
    refused(wrong[1:], r", not \(47, 64, 3\) and of dtype uint8, not float32$", dtype="uint8")
    kind = "numpy.ndarray" if library is np else "torch.Tensor"
    refused([1], f"out must be a {kind}, not a list$")
    refused(library.zeros((48, 64, 3), dtype=library.float64), '"uint8"', dtype=None)
    refused(library.zeros((48, 64, 3), dtype=library.uint8), "always a copy", copy=False)


def test_a_read_only_out_is_refused(frame: framering.Frame) -> None:
    out = np.zeros((48, 64, 3), np.uint8)
    out.flags.writeable = False
    with pytest.raises(framering.InvalidArgument, match=r"out must be writable$"):
        frame.to_numpy(out=out)
    assert not out.any()


def test_an_out_of_the_other_byte_order_is_refused(frame: framering.Frame) -> None:
    out = np.zeros((48, 64, 3), np.dtype(np.float32).newbyteorder())
    with pytest.raises(framering.InvalidArgument, match=r"dtype must be .*'?[<>]f4"):
        frame.to_numpy(out=out)
    with pytest.raises(framering.InvalidArgument, match=r"of dtype float32, not [<>]f4"):
        frame.to_numpy(dtype="float32", out=out)


def test_jax_reads_in_place(frame: framering.Frame) -> None:
    pytest.importorskip("jax")
    array = frame.to_jax(copy=False)
    assert array.unsafe_buffer_pointer() == frame.__array_interface__["data"][0]
    assert frame.to_jax(copy=True).unsafe_buffer_pointer() != array.unsafe_buffer_pointer()


def test_numba_compiles_over_the_pixels_in_place(frame: framering.Frame) -> None:
    numba = pytest.importorskip("numba")

    @numba.njit  # type: ignore[untyped-decorator, unused-ignore]
    def total_and_first(pixels: Any) -> Any:
        total = 0
        for value in pixels.flat:
            total += value
        return total, pixels[:1]

    pixels = frame.numpy()
    total, first = total_and_first(pixels)
    assert total == pixels.sum()
    assert np.shares_memory(first, pixels)


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
