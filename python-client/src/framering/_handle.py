"""References to frames that cross processes."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from framering import _core
from framering._errors import NotFound
from framering._types import Memory

_streams: dict[tuple[str, str, str, int], _core.Stream] = {}
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

    def frame(self, stream: _core.Stream | None = None) -> _core.Frame:
        """The frame, leased by this process.

        ``stream``: one of the same source to take it from; otherwise one that the process keeps open for
        this, with two leases. Raises NotFound if the frame is gone, and what open() raises.
        """
        found = (stream if stream is not None else self._stream()).find(self.sequence)
        if found is None:
            raise NotFound(
                f"frame {self.sequence} of {self.source} is gone: its slot was overwritten",
                "hold the frame in the process that sends its handle until this one has it",
                "not_found",
            )
        return found

    def _stream(self) -> _core.Stream:
        # A change of size is a new epoch, which a stream that reads nothing does not follow.
        key = (self.socket, self.source, self.memory, self.epoch)
        with _lock:
            stream = _streams.get(key)
            if stream is None or stream.closed:
                for known in [k for k in _streams if k[:3] == key[:3]]:
                    _streams.pop(known).close()
                stream = _core.connect(self.socket).open(self.source, self.memory)
                _streams[key] = stream
            return stream


def _forget() -> None:
    """In a forked child, to which the streams do not belong."""
    global _lock
    _lock = threading.Lock()
    _streams.clear()


os.register_at_fork(after_in_child=_forget)
