"""References to frames that cross processes."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from framering import _core
from framering._errors import Disconnected, NotFound
from framering._types import Memory

_kept: dict[tuple[str, str, str, int], tuple[_core.Connection, _core.Stream]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class FrameHandle:
    """Names a frame of a daemon for another process: ``handle.frame()`` there is the same frame.

    It keeps nothing: the frame is there as long as its slot is not overwritten, which a held frame
    guarantees for its stream's lease time. ``socket`` is what connect() took ("" for the default one).
    """

    socket: str
    source: str
    memory: Memory
    epoch: int
    sequence: int
    published_ns: int

    def frame(self, stream: _core.Stream | None = None) -> _core.Frame:
        """The frame, leased by this process.

        ``stream``: one of the same source to take it from; otherwise one that the process keeps open for
        this, with two leases. Raises NotFound if the frame is gone, and what open() raises.
        """
        found = self._find() if stream is None else self._find_in(stream)
        if found is None:
            raise NotFound(
                f"frame {self.sequence} of {self.source} is gone: "
                "its slot was overwritten, or its daemon ended",
                "hold the frame in the process that sends its handle until this one has it",
                "not_found",
            )
        return found

    def _find(self) -> _core.Frame | None:
        # A change of size is a new epoch, which a stream that reads nothing does not follow.
        key = (self.socket, self.source, self.memory, self.epoch)
        with _lock:  # to the end: another thread's handle may want the stream closed
            if key in _kept:
                connection, stream = _kept[key]
                found = self._find_in(stream)
                if found is not None or _is_alive(connection):
                    return found
            self._forget()
            connection = _core.connect(self.socket)
            stream = connection.open(self.source, self.memory)
            _kept[key] = connection, stream
            return self._find_in(stream)

    def _find_in(self, stream: _core.Stream) -> _core.Frame | None:
        found = stream.find(self.sequence)
        if found is None or found.published_ns == self.published_ns:
            return found
        found.release()  # of another daemon, which counts from 1 as well
        return None

    def _forget(self) -> None:
        for key in [key for key in _kept if key[:3] == (self.socket, self.source, self.memory)]:
            _kept.pop(key)[1].close()


def _is_alive(connection: _core.Connection) -> bool:
    try:
        connection.list()
    except Disconnected:
        return False
    return True


def _forget() -> None:
    """In a forked child, to which the streams do not belong."""
    global _lock
    _lock = threading.Lock()
    _kept.clear()


os.register_at_fork(after_in_child=_forget)
