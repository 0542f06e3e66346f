"""How a stream waits in trio, and in anyio on top of it."""

from __future__ import annotations

import math
import os

import trio

from framering import _core


class Waiting:
    def time(self) -> float:
        return trio.current_time()

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    async def readable(self, stream: _core.Stream, fd: int, deadline: float | None) -> None:
        # trio lets one task wait for a descriptor, and several tasks may wait for a stream.
        own_fd = os.dup(fd)
        try:
            with trio.move_on_at(math.inf if deadline is None else deadline):
                await trio.lowlevel.wait_readable(own_fd)
        finally:
            os.close(own_fd)
