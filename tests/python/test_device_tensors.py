"""Frames in GPU memory converted there: the values are those of the pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import framering
import numpy as np
import pytest
from c_view import versioned_tensor
from daemons import DeviceDaemon
from framering import _core

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture
def stream(device: DeviceDaemon) -> Iterator[framering.Stream]:
    with framering.open("test:101x37@240", memory=device.memory, socket=device.socket) as stream:
        yield stream


def rgb(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return pixels[..., 2::-1]


def test_rgb_is_a_permutation_of_the_pixels(stream: framering.Stream) -> None:
    frame = stream.latest()
    assert (frame.to_numpy(channels="RGB") == rgb(frame.to_numpy())).all()
    assert (frame.to_numpy(channels="BGR") == frame.to_numpy()[..., :3]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_chw_floats_are_normalized(stream: framering.Stream, dtype: str) -> None:
    frame = stream.latest()
    expected = (rgb(frame.to_numpy()) / 255.0 - MEAN) / STD
    got = frame.to_numpy(channels="RGB", layout="CHW", dtype=dtype, mean=MEAN, std=STD)
    assert (got.shape, got.dtype) == ((3, 37, 101), np.dtype(dtype))
    rounding = 2 * np.finfo(dtype).eps * np.abs(expected).max()  # of the factor and of the sum
    assert np.abs(got.transpose(1, 2, 0) - expected).max() <= rounding


def test_a_region_is_cut_out(stream: framering.Stream) -> None:
    frame = stream.latest()
    assert (frame.to_numpy(region=(11, 5, 40, 20)) == rgb(frame.to_numpy()[5:25, 11:51])).all()


def test_half_the_size_by_area_is_the_mean_of_four(stream: framering.Stream) -> None:
    frame = stream.latest()
    even = rgb(frame.to_numpy())[:36, :100].astype(np.float64)
    expected = even.reshape(18, 2, 50, 2, 3).mean(axis=(1, 3)) / 255
    got = frame.to_numpy(region=(0, 0, 100, 36), size=(18, 50), resize="area", dtype="float32")
    assert np.abs(got - expected).max() <= 1e-6


def test_a_batch_is_its_frames_one_after_another(device: DeviceDaemon) -> None:
    with framering.open("test:101x37@240", max_leases=3, socket=device.socket) as stream:
        frames = [stream.next() for _ in range(3)]
        batch = framering.to_numpy(frames, layout="CHW", dtype="float32")
        assert batch.shape == (3, 3, 37, 101)
        for frame, converted in zip(frames, batch, strict=True):
            assert (frame.to_numpy(layout="CHW", dtype="float32") == converted).all()


def test_out_takes_the_result(stream: framering.Stream) -> None:
    frame = stream.latest()
    out = np.zeros((37, 101, 3), np.uint8)
    assert frame.to_numpy(out=out) is out
    assert (out == rgb(frame.to_numpy())).all()
    with pytest.raises(framering.InvalidArgument, match=r"of shape .* and contiguous"):
        frame.to_numpy(out=out[::2])


def test_device_and_host_frames_convert_alike(device: DeviceDaemon, test_socket: str) -> None:
    arguments: dict[str, Any] = {"size": (20, 50), "dtype": "float32", "channels": "GRAY", "mean": 0.5}
    with (
        framering.open("test:101x37@240", socket=device.socket) as there,
        framering.open("test:101x37@240", socket=test_socket) as here,
    ):
        on_device, on_host = there.latest(), here.latest()
        pixels = on_host.numpy()
        # The same picture on both: the host's, through the device's own reference of what it holds.
        assert on_device.to_numpy(**arguments).shape == on_host.to_numpy(**arguments).shape
        gray = pixels[..., :3] @ np.array([0.114, 0.587, 0.299])
        same_size = {**arguments, "size": None}
        assert np.abs(on_host.to_numpy(**same_size)[..., 0] - (gray / 255 - 0.5)).max() <= 1e-5
        gray = on_device.to_numpy()[..., :3] @ np.array([0.114, 0.587, 0.299])
        assert np.abs(on_device.to_numpy(**same_size)[..., 0] - (gray / 255 - 0.5)).max() <= 1e-5


def spec(dtype: str = "float32") -> _core.TensorSpec:
    return _core.TensorSpec("RGB", "CHW", dtype, None, None, "bilinear", None, (0.0,) * 3, (1.0,) * 3)


def test_a_fresh_tensor_is_writable_device_memory(device: DeviceDaemon, stream: framering.Stream) -> None:
    frame = stream.latest()
    tensor = _core.make_tensor([frame], spec())
    assert tensor.__dlpack_device__() == (2, 0)
    managed = versioned_tensor(tensor.__dlpack__(max_version=(1, 0)))
    assert managed.flags == 0
    data, at, kind, shape, strides, offset = managed.tensor.facts()
    assert (at, kind, shape) == ((2, 0), (2, 32, 1), (1, 3, 37, 101))
    assert (strides, offset) == ((3 * 37 * 101, 37 * 101, 101, 1), 0)
    values = np.frombuffer(device.cuda.read(data, 3 * 37 * 101 * 4), np.float32).reshape(3, 37, 101)
    assert (values == frame.to_numpy(layout="CHW", dtype="float32")).all()


def test_a_callers_memory_is_written_in_stream_order(device: DeviceDaemon, stream: framering.Stream) -> None:
    cuda, frame = device.cuda, stream.latest()
    expected = frame.to_numpy(layout="CHW", dtype="float16").tobytes()
    out, on = cuda.allocate(len(expected)), cuda.stream()
    assert cuda.set_bytes(out, 0, len(expected), on) == 0
    with cuda.gate(on):
        _core.write_tensor([frame], spec("float16"), out, on)
        assert not any(cuda.read(out, len(expected)))
    assert cuda.read(out, len(expected)) == expected
    cuda.free(out)
