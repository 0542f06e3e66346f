"""Frames in GPU memory as arrays: the device's pixels themselves, read-only unless asked for otherwise."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import framering
import numpy as np
import pytest
from c_view import IS_COPIED, READ_ONLY, unversioned_tensor, versioned_tensor
from daemons import DeviceDaemon
from frames import FAST, STILL, frame_number

CUDA = 2
SHAPE, STRIDES = (37, 101, 4), (404, 4, 1)
INVALID_VALUE = 1


@pytest.fixture
def stream(device: DeviceDaemon) -> Iterator[framering.Stream]:
    with framering.open("test:101x37@240", memory=device.memory, socket=device.socket) as stream:
        yield stream


@pytest.fixture
def frame(stream: framering.Stream) -> framering.Frame:
    return stream.latest()


def pointer(frame: framering.Frame) -> int:
    return int(frame.__cuda_array_interface__["data"][0])


def pixels_at(device: DeviceDaemon, address: int) -> np.ndarray[Any, Any]:
    return np.frombuffer(device.cuda.read(address, 37 * 404), np.uint8).reshape(SHAPE)


def test_facts_say_where_the_pixels_are(device: DeviceDaemon, frame: framering.Frame) -> None:
    assert (frame.memory, frame.device) == (device.memory, 0)
    assert (frame.width, frame.height, frame.stride, frame.format) == (101, 37, 404, "BGRX8888")
    assert (frame.shape, frame.dtype, frame.nbytes) == (SHAPE, "uint8", 37 * 404)
    assert device.memory in repr(frame)


def test_the_pointer_is_that_of_the_pixels(device: DeviceDaemon, frame: framering.Frame) -> None:
    on_device = pixels_at(device, pointer(frame))
    assert frame_number(on_device) is not None
    assert (frame.to_numpy() == on_device).all()
    if device.cuda.is_fake:  # its device pointers are host addresses
        mapped = (ctypes.c_uint8 * frame.nbytes).from_address(pointer(frame))
        assert bytes(mapped) == on_device.tobytes()


def test_cuda_array_interface_is_version_3_and_read_only(frame: framering.Frame) -> None:
    interface = frame.__cuda_array_interface__
    assert interface == {
        "version": 3,
        "shape": SHAPE,
        "typestr": "|u1",
        "data": (interface["data"][0], True),
        "strides": None,
        "stream": None,
    }
    assert interface["data"][0] % 256 == 0


def test_each_kind_of_memory_has_its_array_interface_alone(frame: framering.Frame, test_socket: str) -> None:
    assert not hasattr(frame, "__array_interface__")
    with framering.open(FAST, socket=test_socket) as stream, stream.latest() as on_host:
        assert not hasattr(on_host, "__cuda_array_interface__")
        assert on_host.device is None


def test_nothing_reads_device_memory_as_host_memory(frame: framering.Frame) -> None:
    for read in (memoryview, bytes, np.asarray, np.array, lambda frame: frame.numpy()):
        with pytest.raises((BufferError, TypeError), match="to_numpy"):
            read(frame)


def test_dlpack_is_a_cuda_device(frame: framering.Frame) -> None:
    assert frame.__dlpack_device__() == (CUDA, 0)


def test_a_versioned_capsule_says_read_only(frame: framering.Frame) -> None:
    for version in ((1, 0), (1, 3), (2, 0)):
        tensor = versioned_tensor(frame.__dlpack__(max_version=version))
        assert (tensor.major, tensor.minor, tensor.flags) == (1, 0, READ_ONLY)
        assert tensor.tensor.facts() == (pointer(frame), (CUDA, 0), (1, 8, 1), SHAPE, STRIDES, 0)


def test_a_reader_from_before_versions_gets_its_capsule(frame: framering.Frame) -> None:
    for version in (None, (0, 8)):
        tensor = unversioned_tensor(frame.__dlpack__(max_version=version))
        assert tensor.tensor.facts() == (pointer(frame), (CUDA, 0), (1, 8, 1), SHAPE, STRIDES, 0)


def test_every_stream_that_dlpack_names_is_taken(device: DeviceDaemon, frame: framering.Frame) -> None:
    for stream in (None, 1, 2, -1, device.cuda.stream()):
        tensor = versioned_tensor(frame.__dlpack__(stream=stream, max_version=(1, 0), dl_device=(CUDA, 0)))
        assert tensor.tensor.data == pointer(frame)


def test_stream_0_is_refused_as_ambiguous(frame: framering.Frame) -> None:
    with pytest.raises(BufferError, match="stream must not be 0"):
        frame.__dlpack__(stream=0)


def test_the_cpu_gets_a_copy(frame: framering.Frame) -> None:
    capsule = frame.__dlpack__(max_version=(1, 0), dl_device=(1, 0))
    tensor = versioned_tensor(capsule)
    assert tensor.flags == IS_COPIED
    data, device, *_ = tensor.tensor.facts()
    assert device == (1, 0)
    assert data != pointer(frame)
    copy = np.from_dlpack(frame, device="cpu")
    assert copy.flags.writeable
    assert (copy == frame.to_numpy()).all()
    with pytest.raises(BufferError, match="only as a copy"):
        frame.__dlpack__(dl_device=(1, 0), copy=False)


@pytest.mark.parametrize("elsewhere", [(CUDA, 1), (1, 1), (13, 0)], ids=["GPU 1", "another CPU", "managed"])
def test_another_device_is_refused(frame: framering.Frame, elsewhere: tuple[int, int]) -> None:
    with pytest.raises(BufferError, match="dl_device must be"):
        frame.__dlpack__(dl_device=elsewhere)


def test_copy_gives_device_memory_of_the_readers_own(device: DeviceDaemon, frame: framering.Frame) -> None:
    stream = device.cuda.stream()
    capsule = frame.__dlpack__(stream=stream, max_version=(1, 0), copy=True)
    tensor = versioned_tensor(capsule)
    assert tensor.flags == IS_COPIED
    data, at, *_ = tensor.tensor.facts()
    assert at == (CUDA, 0)
    assert data != pointer(frame)
    device.cuda.synchronize(stream)
    assert (pixels_at(device, data) == frame.to_numpy()).all()
    assert device.cuda.set_bytes(data, 1, 404, stream) == 0


def test_read_only_memory_is_that_of_the_mapping(device: DeviceDaemon, frame: framering.Frame) -> None:
    if device.memory == "cuda-ipc":
        pytest.skip("legacy CUDA IPC knows no read-only mappings")
    assert device.cuda.set_bytes(pointer(frame), 1, 4, device.cuda.stream()) == INVALID_VALUE


def test_writable_is_an_opt_in_that_all_clients_see(device: DeviceDaemon) -> None:
    cuda = device.cuda
    with (
        framering.open(STILL, memory=device.memory, socket=device.socket) as other,
        framering.open(STILL, memory=device.memory, socket=device.socket, writable=True) as stream,
    ):
        frame = stream.latest()
        assert frame.__cuda_array_interface__["data"] == (pointer(frame), False)
        assert versioned_tensor(frame.__dlpack__(max_version=(1, 0))).flags == 0
        before, on_stream = frame.to_numpy(), cuda.stream()
        assert cuda.set_bytes(pointer(frame), 0x5A, 4, on_stream) == 0
        cuda.synchronize(on_stream)
        assert (frame.to_numpy()[0, 0] == 0x5A).all()
        assert (other.latest().to_numpy()[0, 0] == 0x5A).all()
        assert (other.latest().to_numpy()[1:] == before[1:]).all()
