"""References to frames: small, picklable, and the same frame in another process while the ring keeps it."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import framering
import numpy as np
import pytest
from daemons import frameringd
from framering import _handle
from frames import FAST, STILL, run


@pytest.fixture(autouse=True, scope="module")
def _streams_of_handles() -> Iterator[None]:
    """Those that this process opened to look frames up stay open; other tests count streams."""
    yield
    for _, stream in _handle._kept.values():
        stream.close()
    _handle._kept.clear()


def test_a_handle_is_small_and_keeps_nothing(still_socket: str) -> None:
    with framering.open(STILL, socket=still_socket) as stream:
        frame = stream.latest(timeout=20)
        handle = frame.handle()
        assert pickle.loads(pickle.dumps(handle)) == handle
        assert len(pickle.dumps(handle)) < 500
        assert (handle.source, handle.socket, handle.memory) == (STILL, still_socket, "host")
        assert (handle.epoch, handle.sequence) == (frame.epoch, frame.sequence)
        frame.release()
        assert stream.stats.leases_held == 0
        assert frame.handle() == handle


def test_a_frame_itself_cannot_be_pickled_and_says_what_can(still_socket: str) -> None:
    with (
        framering.open(STILL, socket=still_socket) as stream,
        stream.latest(timeout=20) as frame,
        pytest.raises(TypeError, match=r"frame\.handle\(\).*to_numpy\(copy=True\)"),
    ):
        pickle.dumps(frame)


def test_another_process_gets_the_same_frame(still_socket: str, tmp_path: Path) -> None:
    with framering.open(STILL, socket=still_socket) as stream, stream.latest(timeout=20) as frame:
        (tmp_path / "handle").write_bytes(pickle.dumps(frame.handle()))
        output = run(
            """
            import pathlib, pickle, sys
            handle = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())
            frame, again = handle.frame(), handle.frame()
            print(frame.sequence, again.sequence, frame.numpy().sum())
            """,
            str(tmp_path / "handle"),
        )
        assert output == f"{frame.sequence} {frame.sequence} {frame.numpy().sum()}\n"


def test_a_frame_that_is_held_is_found_however_fast_the_stream_is(test_socket: str) -> None:
    with (
        framering.open(FAST, socket=test_socket) as stream,
        framering.open(FAST, socket=test_socket) as other,
    ):
        for _ in range(50):
            frame = stream.next(timeout=20)
            again = frame.handle().frame(other)
            assert again.sequence == frame.sequence
            np.testing.assert_array_equal(again.numpy(), frame.numpy())
            del frame, again


def test_a_frame_that_was_overwritten_is_not_found(test_socket: str) -> None:
    with framering.open(FAST, socket=test_socket) as stream:
        handle = stream.next(timeout=20).handle()
        while stream.next(timeout=20).sequence < handle.sequence + 50:
            pass
        with pytest.raises(framering.NotFound, match="is gone") as gone:
            handle.frame(stream)
        assert "hold the frame" in gone.value.hint
        assert stream.find(handle.sequence) is None
        with pytest.raises(LookupError):
            handle.frame()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_threads_all_find_the_frames_of_a_daemon_that_took_the_place_of_another(
    end: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames count from 1 as well, and their handles are no one else's."""
    socket, before = tmp_path / "socket", None
    count = 2  # as many as the process has leases for this
    together, here_too = threading.Barrier(count), threading.Event()
    connects = 0

    def connect(path: str) -> framering.Connection:
        nonlocal connects
        connects += 1
        # Whoever may come here beside the first one does; nobody may.
        here_too.wait(0.05) if connects == 1 else here_too.set()
        return framering.connect(path)

    monkeypatch.setattr(_handle, "_core", SimpleNamespace(connect=connect))

    def find(handle: framering.FrameHandle) -> int:
        together.wait(20)
        with handle.frame() as frame:
            return frame.published_ns

    with ThreadPoolExecutor(count) as threads:
        for _ in range(4):
            with (
                frameringd("--source", STILL, at=socket) as daemon,
                framering.open(STILL, socket=socket) as stream,
                stream.latest(timeout=20) as frame,
            ):
                handle, connects = frame.handle(), 0
                found = list(threads.map(find, [handle] * count))
                assert found == [frame.published_ns] * count
                assert connects == 1
                if before is not None:
                    assert (before.epoch, before.sequence) == (handle.epoch, handle.sequence)
                    for where in (None, stream):
                        with pytest.raises(framering.NotFound):
                            before.frame(where)
                before = handle
                os.kill(daemon.pid, end)


def test_a_handle_of_a_daemon_that_is_gone_says_so(start_daemon: object, tmp_path: Path) -> None:
    from framering import FrameHandle

    handle = FrameHandle(str(tmp_path / "socket"), STILL, "host", 1, 1, 1)
    with pytest.raises(framering.Unavailable):
        handle.frame()
