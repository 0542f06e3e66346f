"""Streams in asyncio: the event loop watches the stream's descriptor; no thread, no polling."""

from __future__ import annotations

import asyncio
import weakref

from framering import _core
from framering._errors import StreamClosed

# The tasks that wait for each descriptor in each loop, which has one callback for it.
_waiting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, list[asyncio.Future[None]]]] = (
    weakref.WeakKeyDictionary()
)


async def next_frame(stream: _core.Stream, timeout: float | None = None) -> _core.Frame:
    """Stream.next_async()."""
    # A source that is always ahead must not starve the loop.
    await asyncio.sleep(0)
    frame = _core.poll(stream)
    if frame is not None:
        return frame
    if timeout is None:
        return await _wait(stream)
    try:
        return await asyncio.wait_for(_wait(stream), timeout)
    except asyncio.TimeoutError:
        raise TimeoutError("no frame came within the timeout") from None


async def iterate(stream: _core.Stream) -> _core.Frame:
    """Stream.__anext__()."""
    try:
        return await next_frame(stream)
    except StreamClosed:
        raise StopAsyncIteration from None


async def _wait(stream: _core.Stream) -> _core.Frame:
    fd = _core.wake_fd(stream)
    while True:
        _core.arm(stream)
        # The frame is taken here and handed on at once: whoever is cancelled below holds none.
        frame = _core.poll(stream)
        if frame is not None:
            return frame
        await _readable(fd)
        _core.drain(stream)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    fds = _waiting.setdefault(loop, {})
    woken: asyncio.Future[None] = loop.create_future()
    waiters = fds.setdefault(fd, [])
    waiters.append(woken)
    if len(waiters) == 1:
        loop.add_reader(fd, _wake, fd, waiters)
    try:
        await woken
    finally:
        waiters.remove(woken)
        if not waiters:
            fds.pop(fd, None)
            loop.remove_reader(fd)


def _wake(fd: int, waiters: list[asyncio.Future[None]]) -> None:
    for woken in waiters:
        if not woken.done():
            woken.set_result(None)
