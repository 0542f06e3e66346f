"""Frames as arrays: nothing is copied, nothing can be written, shapes and strides are those of the pixels."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import framering
import numpy as np
import pytest
import torch
from c_view import (
    IS_COPIED,
    PYBUF_ND,
    PYBUF_SIMPLE,
    READ_ONLY,
    delete,
    request_buffer,
    take_over,
    unversioned_tensor,
    versioned_tensor,
)
from frames import Program, address, frame_number

Leases = Callable[[], int]
Make = Callable[[framering.Frame], Any]

ZERO_COPY: dict[str, Make] = {
    "Frame.numpy": lambda frame: frame.numpy(),
    "numpy.asarray": np.asarray,
    "numpy.from_dlpack": np.from_dlpack,
    "numpy of __array_interface__": lambda frame: np.asarray(ArrayInterface(frame)),
    "memoryview": memoryview,
    "torch.from_dlpack": torch.from_dlpack,
}


class ArrayInterface:
    """A frame that offers nothing else."""

    def __init__(self, frame: framering.Frame) -> None:
        self.frame = frame
        self.__array_interface__ = frame.__array_interface__


@pytest.fixture
def stream(test_socket: str) -> Iterator[framering.Stream]:
    with framering.open("test:101x37@240", socket=test_socket) as stream:
        yield stream


@pytest.fixture
def frame(stream: framering.Stream) -> framering.Frame:
    return stream.latest()


@pytest.mark.parametrize("make", ZERO_COPY.values(), ids=ZERO_COPY)
def test_an_array_is_the_daemons_memory(
    frame: framering.Frame, make: Callable[[framering.Frame], Any]
) -> None:
    array = make(frame)
    assert address(array) == frame.__array_interface__["data"][0]
    assert np.shares_memory(np.asarray(array), frame.numpy())


@pytest.mark.parametrize("make", ZERO_COPY.values(), ids=ZERO_COPY)
def test_an_array_shows_the_picture(frame: framering.Frame, make: Make) -> None:
    array = np.asarray(make(frame))
    assert (array.shape, array.dtype, array.strides) == ((37, 101, 4), np.uint8, (404, 4, 1))
    assert frame_number(array) is not None


def test_facts_describe_the_array(frame: framering.Frame) -> None:
    assert (frame.width, frame.height, frame.stride, frame.format) == (101, 37, 404, "BGRX8888")
    assert (frame.shape, frame.dtype, frame.nbytes, frame.memory) == ((37, 101, 4), "uint8", 37 * 404, "host")
    assert np.dtype(frame.dtype) == frame.numpy().dtype
    assert frame.nbytes == frame.numpy().nbytes


def test_numpy_refuses_to_write(frame: framering.Frame) -> None:
    for array in (frame.numpy(), np.asarray(frame), np.from_dlpack(frame), np.asarray(ArrayInterface(frame))):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_a_memoryview_refuses_to_write(frame: framering.Frame) -> None:
    view = memoryview(frame)
    assert view.readonly
    with pytest.raises(TypeError):
        view[0, 0, 0] = 1
    with pytest.raises((BufferError, TypeError)):
        io.BytesIO(b"pixels").readinto(frame)


def test_memory_cannot_be_written_even_behind_the_arrays_back(test_socket: str) -> None:
    write_through_torch = """
        import sys, framering, torch
        frame = framering.open("test:64x48@240", socket=sys.argv[1]).latest()
        print("writing", flush=True)
        torch.from_dlpack(frame)[0, 0, 0] = 1
        print("written", flush=True)
    """
    with Program(write_through_torch, test_socket) as program:
        assert program.line() == "writing"
        output, _ = program.process.communicate(timeout=30)
        assert (program.process.returncode, output) == (-signal.SIGSEGV, "")


def test_a_memoryview_has_the_format_shape_and_strides_of_the_pixels(frame: framering.Frame) -> None:
    view = memoryview(frame)
    assert (view.format, view.itemsize, view.ndim) == ("B", 1, 3)
    assert (view.shape, view.strides, view.nbytes) == ((37, 101, 4), (404, 4, 1), 37 * 404)
    assert view.contiguous
    assert view.obj is frame
    assert bytes(frame) == frame.numpy().tobytes()


def test_a_buffer_tells_no_more_than_was_asked(stream: framering.Stream, leases: Leases) -> None:
    frame = stream.latest()
    simple = request_buffer(frame, PYBUF_SIMPLE)
    assert (simple.ndim, simple.length, simple.readonly) == (1, 37 * 404, 1)
    assert not simple.shape
    assert not simple.strides
    assert simple.format is None
    shaped = request_buffer(frame, PYBUF_ND)
    assert list(shaped.shape[:3]) == [37, 101, 4]
    assert not shaped.strides
    assert leases() == 1


@pytest.mark.parametrize("flags", [0x0001, 0x0019, 0x0040 | 0x18], ids=["writable", "strided", "Fortran"])
def test_a_buffer_that_cannot_be_had_is_refused(frame: framering.Frame, flags: int) -> None:
    with pytest.raises(BufferError):
        request_buffer(frame, flags)


def test_array_interface_is_version_3_and_read_only(frame: framering.Frame) -> None:
    interface = frame.__array_interface__
    assert interface == {
        "version": 3,
        "shape": (37, 101, 4),
        "typestr": "|u1",
        "data": (address(frame), True),
        "strides": None,
    }


def test_dlpack_is_host_memory(frame: framering.Frame) -> None:
    assert frame.__dlpack_device__() == (1, 0)


def test_a_versioned_capsule_says_read_only(frame: framering.Frame) -> None:
    for version in ((1, 0), (1, 3), (2, 0)):
        tensor = versioned_tensor(frame.__dlpack__(max_version=version))
        assert (tensor.major, tensor.minor, tensor.flags) == (1, 0, READ_ONLY)
        assert tensor.tensor.facts() == (address(frame), (1, 0), (1, 8, 1), (37, 101, 4), (404, 4, 1), 0)


def test_a_reader_from_before_versions_gets_its_capsule(frame: framering.Frame) -> None:
    for version in (None, (0, 8)):
        tensor = unversioned_tensor(frame.__dlpack__(max_version=version))
        assert tensor.tensor.facts() == (address(frame), (1, 0), (1, 8, 1), (37, 101, 4), (404, 4, 1), 0)


def test_numpy_from_dlpack_is_read_only_unless_copied(frame: framering.Frame) -> None:
    assert not np.from_dlpack(frame).flags.writeable
    assert not np.from_dlpack(frame, copy=False).flags.writeable
    assert np.from_dlpack(frame, copy=True).flags.writeable


def test_copy_gives_memory_of_the_readers_own(frame: framering.Frame) -> None:
    pixels = frame.numpy()
    tensor = versioned_tensor(frame.__dlpack__(max_version=(1, 0), copy=True))
    assert tensor.flags == IS_COPIED
    for copy in (np.from_dlpack(frame, copy=True), torch.from_dlpack(frame, copy=True).numpy()):
        assert not np.shares_memory(copy, pixels)
        assert (copy == pixels).all()
        copy[:] = 0
        assert pixels.any()


def test_a_copy_holds_no_lease(stream: framering.Stream, leases: Leases) -> None:
    copy = np.from_dlpack(stream.latest(), copy=True)
    assert leases() == 0
    assert frame_number(copy) is not None


@pytest.mark.parametrize("device", [(2, 0), (1, 1), (13, 0)], ids=["CUDA", "another CPU", "managed CUDA"])
def test_dlpack_refuses_another_device(frame: framering.Frame, device: tuple[int, int]) -> None:
    with pytest.raises(BufferError, match="host memory"):
        frame.__dlpack__(dl_device=device)


def test_dlpack_refuses_a_stream(frame: framering.Frame) -> None:
    with pytest.raises(BufferError, match="stream"):
        frame.__dlpack__(stream=1)


def test_dlpack_takes_the_cpu_by_name(frame: framering.Frame) -> None:
    assert address(np.from_dlpack(frame, device="cpu")) == address(frame)
    assert address(torch.from_dlpack(frame, device="cpu")) == address(frame)


@pytest.mark.parametrize("version", [None, (1, 0)], ids=["unversioned", "versioned"])
@pytest.mark.parametrize("copy", [False, True], ids=["leased", "copied"])
def test_a_capsule_that_nobody_took_frees_itself(
    stream: framering.Stream, leases: Leases, version: tuple[int, int] | None, copy: bool
) -> None:
    capsule = stream.latest().__dlpack__(max_version=version, copy=copy)
    assert leases() == (0 if copy else 1)
    del capsule
    assert leases() == 0


def test_a_tensor_may_be_deleted_without_the_gil_on_any_thread(
    stream: framering.Stream, leases: Leases
) -> None:
    tensor = take_over(stream.latest().__dlpack__(max_version=(1, 0)))
    assert leases() == 1
    thread = threading.Thread(target=delete, args=(tensor,))
    thread.start()
    thread.join()
    assert leases() == 0


@pytest.mark.parametrize("size", ["8x1", "9x2", "333x77", "1366x771"])
def test_odd_sizes_keep_their_rows_apart(test_socket: str, size: str) -> None:
    width, height = map(int, size.split("x"))
    with framering.open(f"test:{size}@240", socket=test_socket) as stream, stream.latest() as frame:
        assert frame.shape == stream.shape == (height, width, 4)
        assert memoryview(frame).shape == frame.numpy().shape == frame.shape
        assert frame_number(frame.numpy()) == frame_number(torch.from_dlpack(frame).numpy())
        assert frame_number(frame.numpy()) is not None


def test_a_frame_that_was_never_taken_shows_no_memory() -> None:
    with pytest.raises((BufferError, TypeError)):
        memoryview(framering.Frame.__new__(framering.Frame))
