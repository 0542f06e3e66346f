"""Workers of multiprocessing, started in every way: each attaches itself, and takes frames by reference."""

from __future__ import annotations

import multiprocessing
import os

import framering
import pytest
from frames import FAST, frame_number


def own_frames(socket: str) -> tuple[int, bool]:
    """In a worker: its pid, and whether a stream of its own gives it frames in order."""
    with framering.open(FAST, socket=socket) as stream:
        sequences = [stream.next(timeout=20).sequence for _ in range(5)]
    return os.getpid(), sequences == sorted(set(sequences))


def number_of(handle: framering.FrameHandle) -> tuple[int, int, int | None]:
    """In a worker: its pid, and the frame's sequence and number."""
    with handle.frame() as frame:
        return os.getpid(), frame.sequence, frame_number(frame.numpy())


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_attach_themselves_and_take_frames_by_reference(method: str, test_socket: str) -> None:
    with (
        framering.open(FAST, socket=test_socket) as stream,
        stream.next(timeout=20) as frame,
        multiprocessing.get_context(method).Pool(2) as pool,
    ):
        for pid, in_order in pool.map(own_frames, [test_socket] * 4, chunksize=1):
            assert pid != os.getpid()
            assert in_order
        for _ in range(3):
            with stream.next(timeout=20) as newer:
                pid, *same = pool.apply(number_of, (newer.handle(),))
                assert pid != os.getpid()
                assert same == [newer.sequence, frame_number(newer.numpy())]
        with pytest.raises(TypeError, match=r"frame\.handle\(\)"):
            pool.apply(number_of, (newer,))
        assert frame.sequence < newer.sequence
        pool.close()
        pool.join()
        # What they left behind does not touch what this process holds.
        assert stream.next(timeout=20).sequence > newer.sequence
