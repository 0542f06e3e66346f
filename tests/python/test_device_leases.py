"""How long a frame in GPU memory lives: until its readers are gone and their work on the device is done."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import framering
import pytest
from c_view import delete, take_over
from cuda_driver import Cuda
from daemons import DeviceDaemon, device_frameringd
from frames import FAST, frame_number, wait_until

Leases = Callable[[], int]
Read = Callable[[framering.Frame], Any]


class Taken:
    """A reader of a capsule, which deletes its tensor when it goes."""

    def __init__(self, frame: framering.Frame, stream: int | None = None) -> None:
        self.tensor = take_over(frame.__dlpack__(stream=stream, max_version=(1, 0)))

    def __del__(self) -> None:
        delete(self.tensor)


class Interface:
    """A reader of __cuda_array_interface__, which keeps the frame that it is of."""

    def __init__(self, frame: framering.Frame) -> None:
        self.frame = frame
        self.pointer = frame.__cuda_array_interface__["data"][0]


HOLDERS: dict[str, Read] = {
    "frame": lambda frame: frame,
    "capsule": lambda frame: frame.__dlpack__(),
    "tensor": Taken,
    "interface": Interface,
}


@pytest.fixture
def stream(device: DeviceDaemon) -> Iterator[framering.Stream]:
    with framering.open(FAST, memory=device.memory, socket=device.socket) as stream:
        yield stream


def back(leases: Leases) -> None:
    """A device gives a lease back a moment after its work is done."""
    wait_until(lambda: leases() == 0)


@pytest.mark.parametrize("order", list(itertools.permutations(HOLDERS)), ids="-".join)
def test_the_lease_ends_with_its_last_holder_in_any_order(
    stream: framering.Stream, device_leases: Leases, order: tuple[str, ...]
) -> None:
    frame = stream.latest()
    holders = {name: make(frame) for name, make in HOLDERS.items()}
    del frame
    for name in order:
        assert device_leases() == 1
        del holders[name]
    back(device_leases)


def test_a_tensor_may_be_deleted_without_the_gil_on_any_thread(
    stream: framering.Stream, device_leases: Leases
) -> None:
    tensor = take_over(stream.latest().__dlpack__(max_version=(1, 0)))
    assert device_leases() == 1
    thread = threading.Thread(target=delete, args=(tensor,))
    thread.start()
    thread.join()
    back(device_leases)


def test_a_copy_holds_no_lease(stream: framering.Stream, device_leases: Leases) -> None:
    copies = [
        stream.latest().to_numpy(),
        stream.latest().__dlpack__(dl_device=(1, 0)),
        stream.latest().__dlpack__(copy=True),
    ]
    back(device_leases)
    assert frame_number(copies[0]) is not None


def test_an_interface_holds_its_frame_beyond_release(stream: framering.Stream, device_leases: Leases) -> None:
    frame = stream.latest()
    interface = Interface(frame)
    assert frame.release()
    del frame
    assert device_leases() == 1
    del interface
    back(device_leases)


# --- in stream order ---


def test_release_with_a_stream_waits_for_its_work(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases
) -> None:
    frame = stream.latest()
    with device.cuda.gate(device.cuda.stream()) as gate:
        assert frame.release(stream=gate.stream)
        assert not frame.valid
        assert device_leases() == 1
    back(device_leases)


def test_a_deleted_tensor_waits_for_the_work_on_its_stream(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases
) -> None:
    on = device.cuda.stream()
    tensor = Taken(stream.latest(), on)
    with device.cuda.gate(on):
        del tensor
        assert device_leases() == 1
    back(device_leases)


def test_work_that_comes_after_a_release_is_not_waited_for(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases
) -> None:
    on = device.cuda.stream()
    tensor = Taken(stream.latest(), on)
    del tensor
    with device.cuda.gate(on):
        back(device_leases)


def test_readers_on_several_streams_are_all_waited_for(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases
) -> None:
    cuda, frame = device.cuda, stream.latest()
    streams = [cuda.stream(), cuda.stream()]
    tensors = [Taken(frame, on) for on in streams]
    with cuda.gate(streams[0]) as first:
        with cuda.gate(streams[1]):
            frame.release()
            tensors.clear()
            first.open()
            assert [device_leases() for _ in range(20)] == [1] * 20
        back(device_leases)


def test_an_interface_waits_for_the_stream_that_release_names(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases
) -> None:
    frame = stream.latest()
    interface = Interface(frame)
    with device.cuda.gate(device.cuda.stream()) as gate:
        assert frame.release(stream=gate.stream)
        del frame, interface
        assert device_leases() == 1
    back(device_leases)


class TorchLike:
    def __init__(self, stream: int) -> None:
        self.cuda_stream = stream


class CupyLike:
    def __init__(self, stream: int) -> None:
        self.ptr = stream


class WithProtocol:
    def __init__(self, stream: int) -> None:
        self._stream = stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, self._stream)


@pytest.mark.parametrize("kind", [int, TorchLike, CupyLike, WithProtocol])
def test_streams_of_every_framework_are_taken(
    device: DeviceDaemon, stream: framering.Stream, device_leases: Leases, kind: Callable[[int], Any]
) -> None:
    frame = stream.latest()
    with device.cuda.gate(device.cuda.stream()) as gate:
        assert frame.release(stream=kind(gate.stream))
        assert device_leases() == 1
    back(device_leases)


def test_what_is_no_stream_is_refused(stream: framering.Stream, test_socket: str) -> None:
    frame = stream.latest()
    with pytest.raises(TypeError, match="CUDA stream"):
        frame.release(stream="mine")  # type: ignore[arg-type]
    assert frame.valid
    with framering.open(FAST, socket=test_socket) as host, host.latest() as on_host:
        with pytest.raises(framering.InvalidArgument, match="host memory"):
            on_host.release(stream=1)
        assert on_host.valid


def test_next_waits_for_a_lease_that_is_on_its_way_back(device: DeviceDaemon) -> None:
    with framering.open(FAST, max_leases=1, socket=device.socket) as stream:
        frame = stream.next()
        with device.cuda.gate(device.cuda.stream()) as gate:
            frame.release(stream=gate.stream)
            with pytest.raises(TimeoutError):
                stream.next(timeout=0.05)
            gate.open()
            assert stream.next(timeout=10).valid


def test_next_spins_for_frames_of_a_device_too(stream: framering.Stream) -> None:
    last = stream.next().sequence
    for _ in range(20):
        with stream.next(timeout=10, spin_us=10_000) as frame:
            assert frame.sequence > last
            last = frame.sequence


def read_on(stream: framering.Stream) -> None:
    while True:
        stream.next(timeout=10).release()


@pytest.mark.parametrize("memory", ["cuda", "cuda-ipc"])
def test_pixels_outlive_the_daemon_and_the_stream(cuda: Cuda, memory: str) -> None:
    with device_frameringd(cuda, memory) as daemon:
        stream = framering.open(FAST, socket=daemon.socket)
        frame = stream.latest()
        before, tensor = frame.to_numpy(), Taken(frame)
        os.kill(daemon.pid, signal.SIGKILL)
        with pytest.raises(framering.Disconnected):
            read_on(stream)
        stream.close()
        assert (frame.to_numpy() == before).all()
        assert frame.valid
        assert frame.release(stream=cuda.stream())
        assert cuda.read(tensor.tensor.tensor.data, before.nbytes) == before.tobytes()
