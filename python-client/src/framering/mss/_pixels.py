"""Where the pixels of a screenshot are: in the frame while it is leased, then in memory of its own."""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING

from framering import _core
from framering._memory import allocate
from framering.mss.exception import ScreenShotError

if TYPE_CHECKING:
    from framering._types import Region4

# The part of the lease time after which a screenshot that is still held gets memory of its own.
_KEEP_PART = 0.25


class LeasedPixels:
    """A rectangle of a frame. Any thread.

    ``read()`` looks at the frame in place; ``own()`` copies the rectangle once, BGRA, and gives the frame
    back. With ``keep`` that happens by itself a quarter of the lease time after the frame was taken.
    """

    __slots__ = ("__weakref__", "_frame", "_lock", "_own", "keep", "rect")

    def __init__(self, frame: _core.Frame, rect: Region4, lease_ms: int, keep: bool) -> None:
        self._lock = threading.RLock()
        self._frame: _core.Frame | None = frame
        self._own: ctypes.Array[ctypes.c_ubyte] | None = None
        self.rect = rect  # (x, y, width, height) in pixels of the frame
        self.keep = keep
        if keep:
            _keeper.add(self, time.monotonic() + lease_ms / 1000 * _KEEP_PART)

    @property
    def frame(self) -> _core.Frame | None:
        """None once the pixels are in memory of their own."""
        return self._frame

    def __enter__(self) -> _core.Frame | None:
        """Holds the frame, if there still is one, to be read in place."""
        self._lock.acquire()
        return self._frame

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._frame is not None:
                _check(self._frame)
        finally:
            self._lock.release()

    def own(self) -> memoryview:
        """Bytes B, G, R, undefined, in packed rows; writable."""
        with self as frame:
            if frame is not None:
                _, _, width, height = self.rect
                self._own = allocate(width * height * 4)
                _core.copy_to_host(frame, ctypes.addressof(self._own), self.rect)
                _check(frame)
                self._frame = None
                frame.release()
            assert self._own is not None
            return memoryview(self._own).cast("B")


def _check(frame: _core.Frame) -> None:
    if frame.valid:
        return
    raise ScreenShotError(
        f"frame {frame.sequence} was overwritten before it was read: its lease time was over",
        details={
            "code": "lease_broken",
            "hint": "read screenshots of a GPU, or copy them, within the lease time",
        },
    )


class _Keeper:
    """The thread that gives long-held screenshots memory of their own, before their lease ends."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, weakref.ref[LeasedPixels]]] = []
        self._order = itertools.count()
        self._running = False

    def add(self, pixels: LeasedPixels, due: float) -> None:
        entry = (due, next(self._order), weakref.ref(pixels))
        with self._changed:
            while self._due and _is_done(self._due[0][2]()):
                heapq.heappop(self._due)
            heapq.heappush(self._due, entry)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="framering-keeper", daemon=True).start()
            elif self._due[0] is entry:
                self._changed.notify()

    def _run(self) -> None:
        while (pixels := self._wait()) is not None:
            with contextlib.suppress(Exception):  # its owner is told when he reads
                pixels.own()
            del pixels

    def _wait(self) -> LeasedPixels | None:
        """The next screenshot that is due; None once there are none."""
        with self._changed:
            while self._due:
                due, _, reference = self._due[0]
                pixels = reference()
                if _is_done(pixels):
                    heapq.heappop(self._due)
                elif (wait := due - time.monotonic()) <= 0:
                    heapq.heappop(self._due)
                    return pixels
                else:
                    del pixels  # its owner may let go of it meanwhile
                    self._changed.wait(wait)
            self._running = False
            return None


def _is_done(pixels: LeasedPixels | None) -> bool:
    return pixels is None or pixels.frame is None


_keeper = _Keeper()


def _start_anew() -> None:
    """In a forked child, which has neither the thread nor the leases."""
    global _keeper
    _keeper = _Keeper()


os.register_at_fork(after_in_child=_start_anew)
