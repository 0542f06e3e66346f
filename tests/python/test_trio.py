"""Streams in trio: frames as they come, several tasks, cancellation, timeouts, the daemon's end."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import framering
import pytest
import trio
import trio.testing
from daemons import Daemon
from frames import FAST, STILL, leases_held, numbers_of

SOON = 20.0


def in_trio(main: Callable[[], Awaitable[Any]]) -> Any:
    async def bounded() -> Any:
        with trio.fail_after(60):
            return await main()

    return trio.run(bounded)


def test_async_for_returns_each_frame_once_and_in_order(test_socket: str) -> None:
    numbers = in_trio(lambda: numbers_of(test_socket, 50))
    assert len(numbers) == 50
    assert numbers == sorted(set(numbers))


def test_each_of_many_tasks_gets_frames_of_its_own(test_socket: str) -> None:
    sequences: list[int] = []

    async def main() -> None:
        with framering.open(FAST, mode="every", max_leases=8, socket=test_socket) as stream:

            async def work() -> None:
                for _ in range(20):
                    sequences.append((await stream.next_async(SOON)).sequence)

            async with trio.open_nursery() as nursery:
                for _ in range(4):
                    nursery.start_soon(work)

    in_trio(main)
    assert len(set(sequences)) == len(sequences) == 80


def test_cancelling_loses_no_lease_and_no_descriptor(still_socket: str) -> None:
    async def main() -> None:
        with framering.open(STILL, socket=still_socket) as stream:
            (await stream.next_async(SOON)).release()
            with trio.move_on_after(0.01):
                await stream.next_async()
            gc.collect()  # what tests before this one left
            fds = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                with trio.move_on_after(0.01) as scope:
                    await stream.next_async()
                assert scope.cancelled_caught
            assert len(os.listdir("/proc/self/fd")) == fds
            assert leases_held(still_socket) == 0

    in_trio(main)


def test_a_timeout_raises(still_socket: str) -> None:
    async def main() -> None:
        with framering.open(STILL, socket=still_socket) as stream:
            (await stream.next_async(SOON)).release()
            with pytest.raises(TimeoutError, match="no frame came"):
                await stream.next_async(0.01)

    in_trio(main)


def test_the_daemons_end_ends_the_wait(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("--source", STILL)

    async def main() -> None:
        with framering.open(STILL, socket=daemon.socket) as stream:
            (await stream.next_async(SOON)).release()

            async def wait() -> None:
                with pytest.raises(framering.Disconnected):
                    await stream.next_async()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                os.kill(daemon.pid, signal.SIGKILL)

    in_trio(main)
