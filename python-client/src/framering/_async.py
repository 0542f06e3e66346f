"""Streams in asyncio and trio: the event loop watches the stream's descriptor; no thread, no polling."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import weakref
from collections.abc import Callable, Generator
from typing import Protocol

from framering import _core
from framering._errors import InvalidArgument, StreamClosed

# Who waits for each descriptor in each loop, which has one callback for it.
_waiting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, list[_Bell]]] = (
    weakref.WeakKeyDictionary()
)


async def next_frame(stream: _core.Stream, timeout: float | None = None) -> _core.Frame:
    """Stream.next_async()."""
    if timeout is not None and not timeout >= 0:
        raise InvalidArgument(f"timeout must be None or at least 0 seconds, not {timeout}")
    waiting = _waiting_here()
    # A source that is always ahead must not starve the loop.
    await waiting.turn()
    frame = _core.poll(stream)
    if frame is not None:
        return frame
    deadline = None if timeout is None else waiting.time() + timeout
    fd = _core.wake_fd(stream)
    while True:
        _core.drain(stream)
        _core.arm(stream)
        # A frame is taken between two awaits and handed on at once: whoever is cancelled holds none.
        frame = _core.poll(stream)
        if frame is None:
            await waiting.readable(stream, fd, deadline)
            frame = _core.poll(stream)
        if frame is not None:
            return frame
        if deadline is not None and waiting.time() >= deadline:
            raise TimeoutError("no frame came within the timeout")


async def iterate(stream: _core.Stream) -> _core.Frame:
    """Stream.__anext__()."""
    try:
        return await next_frame(stream)
    except StreamClosed:
        raise StopAsyncIteration from None


class _Waiting(Protocol):
    """What next_frame() needs of an event loop."""

    async def turn(self) -> None:
        """Lets the others run."""

    def time(self) -> float: ...

    async def readable(self, stream: _core.Stream, fd: int, deadline: float | None) -> None:
        """Returns when the stream's descriptor is readable, or at the deadline."""


def _waiting_here() -> _Waiting:
    try:
        return _AsyncioWaiting(asyncio.get_running_loop())
    except RuntimeError:
        if "trio" not in sys.modules:
            raise
    from framering import _trio

    return _trio.Waiting()


class _AsyncioWaiting:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.time = loop.time

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def readable(self, stream: _core.Stream, fd: int, deadline: float | None) -> None:
        loop = self._loop
        fds = _waiting.setdefault(loop, {})
        bells = fds.get(fd)
        if bells is None:
            bells = fds[fd] = []
            loop.add_reader(fd, _ring, bells)
        bell = _Bell(loop)
        bells.append(bell)
        timer = None if deadline is None else loop.call_at(deadline, bell.ring)
        try:
            await bell
        finally:
            if timer is not None:
                timer.cancel()
            bells.remove(bell)
            if not bells:
                # Later, when it costs no frame time, and perhaps somebody waits again. Until then the stream
                # must live: its descriptor's number must not become another's.
                loop.call_soon(_stop_watching, loop, fd, stream)


def _stop_watching(loop: asyncio.AbstractEventLoop, fd: int, _stream: _core.Stream) -> None:
    fds = _waiting.get(loop, {})
    if fds.get(fd) == []:
        del fds[fd]
        loop.remove_reader(fd)


def _ring(bells: list[_Bell]) -> None:
    for bell in tuple(bells):
        bell.ring()


class _Bell:
    """A future that wakes its task in the turn of the loop that rings it.

    asyncio's own would have it run in the next turn, which is a good part of what a wake-up costs. This is
    the protocol by which tasks wait for futures that are not asyncio's.
    """

    _asyncio_future_blocking = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wakeup: Callable[[_Bell], object] | None = None
        self._context: contextvars.Context | None = None
        self._done = self._cancelled = False

    def __await__(self) -> Generator[_Bell, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        self.result()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wakeup: Callable[[_Bell], object], *, context: contextvars.Context) -> None:
        self._wakeup, self._context = wakeup, context

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError

    def cancel(self, msg: object = None) -> bool:
        """By the task, when it is cancelled: it must not run before it has said so itself."""
        if self._done:
            return False
        self._done = self._cancelled = True
        if self._wakeup is not None:
            self._loop.call_soon(self._wakeup, self, context=self._context)
        return True

    def ring(self) -> None:
        if self._done:
            return
        self._done = True
        if self._wakeup is not None and self._context is not None:
            self._context.run(self._wakeup, self)
