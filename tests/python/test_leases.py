"""How long pixels live: until the last frame, array or capsule over them is gone, and not a moment longer."""

from __future__ import annotations

import gc
import itertools
import os
import resource
import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import framering
import numpy as np
import pytest
import torch
from frames import FAST, address, clients, frame_number, run, wait_until

Leases = Callable[[], int]
Read = Callable[[framering.Frame], Any]

HOLDERS: dict[str, Read] = {
    "frame": lambda frame: frame,
    "numpy": lambda frame: frame.numpy(),
    "memoryview": memoryview,
    "torch": torch.from_dlpack,
    "capsule": lambda frame: frame.__dlpack__(),
}


@pytest.fixture
def stream(test_socket: str) -> Iterator[framering.Stream]:
    with framering.open(FAST, socket=test_socket) as stream:
        yield stream


@pytest.mark.parametrize("order", list(itertools.permutations(HOLDERS)), ids="-".join)
def test_the_lease_ends_with_its_last_holder_in_any_order(
    stream: framering.Stream, leases: Leases, order: tuple[str, ...]
) -> None:
    frame = stream.latest()
    holders = {name: make(frame) for name, make in HOLDERS.items()}
    del frame
    for name in order:
        assert leases() == 1
        del holders[name]
    assert leases() == 0


@pytest.mark.parametrize(
    "derive",
    [
        lambda frame: frame.numpy()[10:20, ::2, :3],
        lambda frame: frame.numpy().reshape(-1).view(np.uint32),
        lambda frame: memoryview(frame).cast("B")[64:128],
        lambda frame: torch.from_dlpack(frame)[..., :3].permute(2, 0, 1),
        lambda frame: np.from_dlpack(frame).T,
    ],
    ids=["slice", "reshape", "cast", "permute", "transpose"],
)
def test_a_view_of_an_array_keeps_the_lease(
    stream: framering.Stream, leases: Leases, derive: Callable[[framering.Frame], Any]
) -> None:
    view = derive(stream.latest())
    assert leases() == 1
    del view
    assert leases() == 0


def test_garbage_collection_of_a_cycle_gives_the_lease_back(stream: framering.Stream, leases: Leases) -> None:
    cycle: list[Any] = [stream.latest().numpy()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert leases() == 0


def test_release_gives_the_frame_up_once(stream: framering.Stream, leases: Leases) -> None:
    frame = stream.latest()
    assert frame.valid
    assert frame.release()
    assert not frame.valid
    assert leases() == 0
    assert not frame.release()


def test_release_leaves_arrays_their_pixels(stream: framering.Stream, leases: Leases) -> None:
    frame = stream.latest()
    pixels, number = frame.numpy(), frame_number(frame.numpy())
    assert frame.release()
    assert leases() == 1
    assert frame_number(pixels) == number
    del pixels
    assert leases() == 0


def test_a_with_block_releases_its_frame(stream: framering.Stream, leases: Leases) -> None:
    with stream.latest() as frame:
        assert leases() == 1
    assert leases() == 0
    with pytest.raises(RuntimeError, match="mine"), stream.latest() as frame:
        raise RuntimeError("mine")
    assert leases() == 0
    assert "released" in repr(frame)


READERS: dict[str, Read] = {
    "numpy": lambda frame: frame.numpy(),
    "numpy.asarray": np.asarray,
    "memoryview": memoryview,
    "bytes": bytes,
    "__array_interface__": lambda frame: frame.__array_interface__,
    "__dlpack__": lambda frame: frame.__dlpack__(),
    "__dlpack__(copy=True)": lambda frame: frame.__dlpack__(copy=True),
    "torch.from_dlpack": torch.from_dlpack,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_released_frame_has_no_pixels(stream: framering.Stream, read: Read) -> None:
    frame = stream.latest()
    frame.release()
    with pytest.raises(framering.InvalidArgument, match=f"frame {frame.sequence} was released"):
        read(frame)


def test_a_released_frame_keeps_its_facts(stream: framering.Stream) -> None:
    def facts(frame: framering.Frame) -> tuple[object, ...]:
        geometry = (
            frame.width,
            frame.height,
            frame.stride,
            frame.format,
            frame.memory,
            frame.shape,
            frame.dtype,
        )
        times = frame.capture_ns, frame.capture_done_ns, frame.published_ns
        return frame.sequence, frame.epoch, geometry, times, frame.damage

    frame = stream.latest()
    before = facts(frame)
    frame.release()
    assert facts(frame) == before


def test_whoever_took_the_bare_address_is_safe_until_the_frame_object_goes(
    stream: framering.Stream, leases: Leases
) -> None:
    frame = stream.latest()
    data = frame.__array_interface__["data"]
    frame.release()
    assert leases() == 1
    assert data[1] is True
    del frame
    assert leases() == 0


def test_one_frame_more_than_max_leases_is_refused(test_socket: str, leases: Leases) -> None:
    with framering.open(FAST, max_leases=3, socket=test_socket) as stream:
        held = [stream.next().numpy() for _ in range(3)]
        for ask in (stream.next, stream.latest):
            with pytest.raises(framering.LeaseLimit) as caught:
                ask()
            assert caught.value.code == "lease_limit"
        assert leases() == 3
        del held[1]
        held.append(stream.next().numpy())
        assert leases() == 3
        assert len({address(array) for array in held}) == 3


def test_a_frame_kept_too_long_is_told(short_lease_socket: str) -> None:
    with (
        framering.open(FAST, socket=short_lease_socket) as holder,
        framering.open(FAST, socket=short_lease_socket) as reader,
    ):
        frame = holder.latest()
        pixels = frame.numpy()
        assert frame.valid
        second = reader.next(timeout=5)
        while second.sequence == frame.sequence:
            second = reader.next(timeout=5)
        while frame.valid:  # with two of three slots held, a new frame needs one of them
            reader.next(timeout=5).release()
        assert not frame.valid
        assert pixels.shape == (48, 64, 4)
        assert not frame.release()
        assert sum(client.leases_broken for client in clients(short_lease_socket)) >= 1


def test_a_frame_within_its_lease_never_changes(short_lease_socket: str) -> None:
    checked = 0
    with (
        framering.open(FAST, socket=short_lease_socket) as holder,
        framering.open(FAST, socket=short_lease_socket) as reader,
    ):
        while checked < 20:
            with holder.next(timeout=5) as frame:
                before = frame.numpy().copy()
                for _ in range(6):  # 25 ms of 100
                    reader.next(timeout=5).release()
                after = frame.numpy().copy()
                if frame.valid:
                    assert frame_number(before) is not None
                    assert (before == after).all()
                    checked += 1


def test_frames_outlive_stream_and_connection(test_socket: str, leases: Leases) -> None:
    with framering.connect(test_socket) as connection, connection.open(FAST) as stream:
        frame = stream.latest()
        pixels = stream.next().numpy()
    del stream, connection
    assert leases() == 2
    assert frame_number(frame.numpy()) is not None
    assert frame_number(pixels) is not None
    del frame, pixels
    wait_until(lambda: clients(test_socket) == [])


def test_pixels_outlive_the_daemon(start_daemon: Callable[..., Any]) -> None:
    daemon = start_daemon("--source", "test:640x480@240")
    with framering.open("test:640x480@240", socket=str(daemon.socket)) as stream:
        frame = stream.latest()
        pixels = frame.numpy()
        before = pixels.copy()
        os.kill(daemon.pid, signal.SIGKILL)
        with pytest.raises(framering.Disconnected):
            [stream.next(timeout=5).sequence for _ in range(1000)]
        assert (pixels == before).all()
        assert (frame.numpy() == before).all()
        assert (np.from_dlpack(frame) == before).all()


def test_arrays_may_die_on_another_thread(stream: framering.Stream, leases: Leases) -> None:
    box = [stream.latest().numpy()]
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert leases() == 0


def test_a_program_may_end_with_everything_still_alive(test_socket: str) -> None:
    output = run(
        """
        import sys, threading, framering, torch
        stream = framering.open("test:64x48@240", max_leases=8, socket=sys.argv[1])
        frame, frames = stream.latest(), [stream.next()]
        array, tensor, view = frame.numpy(), torch.from_dlpack(stream.next()), memoryview(stream.next())
        capsule = stream.next().__dlpack__()
        cycle = [array]
        cycle.append(cycle)
        torch.kept = torch.from_dlpack(frame), stream, framering
        print(frame.valid)
        """,
        test_socket,
    )
    assert output == "True\n"


def test_a_program_may_end_while_daemon_threads_wait(test_socket: str) -> None:
    for _ in range(5):
        run(
            """
            import sys, threading, framering
            stream = framering.open("test:64x48@240", max_leases=16, socket=sys.argv[1])
            started = [threading.Event() for _ in range(4)]

            def read(event):
                while True:
                    stream.next().release()
                    event.set()

            for event in started:
                threading.Thread(target=read, args=(event,), daemon=True).start()
            for event in started:
                event.wait()
            """,
            test_socket,
        )


def test_10_000_frames_leave_nothing_behind(stream: framering.Stream, leases: Leases) -> None:
    def read_frames(count: int) -> None:
        for _ in range(count):
            with stream.latest() as frame:
                array, view, tensor = frame.numpy(), memoryview(frame), torch.from_dlpack(frame)
                assert frame.damage is not None
                assert np.from_dlpack(frame, copy=True) is not None
            del array, view, tensor

    def maximum_memory_kib() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    read_frames(1000)
    gc.collect()
    descriptors, memory = len(os.listdir("/proc/self/fd")), maximum_memory_kib()
    tracemalloc.start()
    read_frames(100)
    before, _ = tracemalloc.get_traced_memory()
    read_frames(10_000)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000
    assert maximum_memory_kib() - memory < 4096
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert leases() == 0


def test_streams_and_connections_leave_nothing_behind(test_socket: str) -> None:
    def open_streams(connections: int, streams: int) -> None:
        for _ in range(connections):
            with framering.connect(test_socket) as connection:
                for _ in range(streams):
                    with connection.open(FAST) as stream:
                        stream.latest().numpy()

    def resources() -> tuple[int, int, int]:
        with open("/proc/self/maps") as maps:
            mappings = sum("memfd:" in line for line in maps)
        return len(os.listdir("/proc/self/fd")), mappings, len(os.listdir("/proc/self/task"))

    open_streams(5, 5)
    before = resources()
    open_streams(50, 20)
    assert resources() == before
    wait_until(lambda: clients(test_socket) == [])
