"""Streams in asyncio: frames as they come, cancellation, timeouts, other tasks, loops and threads."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import framering
import pytest
from daemons import Daemon
from frames import FAST, STILL, leases_held, numbers_of, run, wait_until

SOON = 20.0


def in_loop(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs it in a loop that complains about whatever is left behind or slow to yield."""
    return asyncio.run(asyncio.wait_for(main, 60), debug=True)


def test_async_for_returns_each_frame_once_and_in_order(test_socket: str) -> None:
    numbers = in_loop(numbers_of(test_socket, 100))
    assert len(numbers) == 100
    assert numbers == sorted(set(numbers))


def test_in_order_none_is_lost(test_socket: str) -> None:
    async def main() -> None:
        with framering.open(FAST, mode="every", socket=test_socket) as stream:
            first = (await stream.next_async()).sequence
            for _ in range(150):
                last = (await stream.next_async(SOON)).sequence
            assert last - first == 150 + stream.missed

    in_loop(main())


def test_the_loop_goes_on_while_a_stream_waits(still_socket: str) -> None:
    async def main() -> None:
        with framering.open(STILL, socket=still_socket) as stream:
            (await stream.next_async(SOON)).release()
            waiting = asyncio.create_task(stream.next_async())
            turns = 0
            for _ in range(1000):
                await asyncio.sleep(0)
                turns += 1
            assert (turns, waiting.done()) == (1000, False)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    in_loop(main())


def test_no_thread_is_made(test_socket: str) -> None:
    async def main() -> int:
        with framering.open(FAST, socket=test_socket) as stream:
            threads = len(os.listdir("/proc/self/task"))
            for _ in range(20):
                (await stream.next_async(SOON)).release()
            return len(os.listdir("/proc/self/task")) - threads

    assert in_loop(main()) == 0


def test_a_waiting_stream_costs_no_wake_ups(still_socket: str) -> None:
    async def main() -> int:
        with framering.open(STILL, socket=still_socket) as stream:
            (await stream.next_async(SOON)).release()
            loop = asyncio.get_running_loop()
            turns = 0
            select = loop._selector.select  # type: ignore[attr-defined]

            def counted(timeout: float | None = None) -> Any:
                nonlocal turns
                turns += 1
                return select(timeout)

            loop._selector.select = counted  # type: ignore[attr-defined]
            with pytest.raises(TimeoutError):
                await stream.next_async(0.5)
            return turns

    assert in_loop(main()) < 10


def test_a_timeout_raises_and_leaves_the_stream_as_it_was(still_socket: str) -> None:
    async def main() -> None:
        with framering.open(STILL, socket=still_socket) as stream:
            frame = await stream.next_async(SOON)
            for _ in range(5):
                with pytest.raises(TimeoutError, match="no frame came"):
                    await stream.next_async(0.01)
            assert leases_held(still_socket) == 1
            assert frame.valid
            assert stream.stats.leases_held == 1

    in_loop(main())


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_none_is_refused(test_socket: str, timeout: float) -> None:
    async def main() -> None:
        with (
            framering.open(FAST, socket=test_socket) as stream,
            pytest.raises(framering.InvalidArgument, match="at least 0 seconds"),
        ):
            await stream.next_async(timeout)

    in_loop(main())


def test_cancelling_a_thousand_times_loses_no_lease_and_no_frame(test_socket: str, leases: Any) -> None:
    async def main() -> None:
        with framering.open(FAST, mode="every", socket=test_socket) as stream:
            first = (await stream.next_async(SOON)).sequence
            taken = 1
            last = first
            for number in range(1000):
                task = asyncio.create_task(stream.next_async())
                await asyncio.sleep(0 if number % 3 else 0.001)
                task.cancel()
                try:
                    last = (await task).sequence
                    taken += 1
                except asyncio.CancelledError:
                    pass
            del task  # it has its frame as its result
            last = (await stream.next_async(SOON)).sequence
            taken += 1
            assert last - first + 1 == taken + stream.missed
        assert leases() == 0

    in_loop(main())


def test_wait_for_and_timeout_scopes_work(still_socket: str) -> None:
    async def main() -> None:
        with framering.open(STILL, socket=still_socket) as stream:
            (await asyncio.wait_for(stream.next_async(), SOON)).release()
            with pytest.raises((asyncio.TimeoutError, TimeoutError)):
                await asyncio.wait_for(stream.next_async(), 0.02)
            assert leases_held(still_socket) == 0

    in_loop(main())


def test_each_of_many_tasks_gets_frames_of_its_own(test_socket: str) -> None:
    async def main() -> list[int]:
        with framering.open(FAST, mode="every", max_leases=8, socket=test_socket) as stream:

            async def work() -> list[int]:
                return [(await stream.next_async(SOON)).sequence for _ in range(20)]

            return [n for numbers in await asyncio.gather(*(work() for _ in range(6))) for n in numbers]

    sequences = in_loop(main())
    assert len(set(sequences)) == len(sequences) == 120


def test_many_streams_in_one_loop(test_socket: str) -> None:
    async def main() -> None:
        async def work(stream: framering.Stream) -> None:
            for _ in range(20):
                (await stream.next_async(SOON)).release()

        streams = [framering.open(FAST, socket=test_socket) for _ in range(10)]
        await asyncio.gather(*map(work, streams))
        for stream in streams:
            stream.close()

    in_loop(main())


def test_a_loop_and_a_thread_share_a_stream(test_socket: str) -> None:
    seen: list[int] = []
    with framering.open(FAST, mode="every", max_leases=8, socket=test_socket) as stream:

        def work() -> None:
            for _ in range(50):
                seen.append(stream.next(SOON).sequence)

        async def main() -> None:
            for _ in range(50):
                seen.append((await stream.next_async(SOON)).sequence)

        thread = threading.Thread(target=work)
        thread.start()
        in_loop(main())
        thread.join()
    assert len(set(seen)) == 100


def test_close_in_another_thread_stops_the_iteration(still_socket: str) -> None:
    async def main() -> int:
        stream = framering.open(STILL, socket=still_socket)
        count = 0
        threading.Timer(0.2, stream.close).start()
        async for _frame in stream:  # held, so that the epoch stays mapped
            count += 1
        with pytest.raises(framering.StreamClosed):
            await stream.next_async()
        return count

    assert in_loop(main()) == 1


def test_a_thread_may_spin_for_a_frame_beside_the_loop(test_socket: str) -> None:
    async def main() -> None:
        with framering.open(FAST, mode="every", max_leases=8, socket=test_socket) as stream:
            first = (await stream.next_async(SOON)).sequence
            for _ in range(20):
                last = (await asyncio.to_thread(stream.next, spin_us=5000)).sequence
            assert last - first == 20 + stream.missed

    in_loop(main())


def test_a_cancelled_thread_still_takes_its_frame_and_drops_it(test_socket: str, leases: Any) -> None:
    """Unlike next_async(), which takes none then."""
    cancelled, done = threading.Event(), threading.Event()
    taken = 0

    def take(stream: framering.Stream) -> framering.Frame:
        nonlocal taken
        assert cancelled.wait(SOON)
        frame = stream.next(SOON, spin_us=5000)
        taken = frame.sequence
        done.set()
        return frame

    async def main() -> None:
        with framering.open(FAST, mode="every", socket=test_socket) as stream:
            first = (await stream.next_async(SOON)).sequence
            waiting = asyncio.create_task(asyncio.to_thread(take, stream))
            await asyncio.sleep(0)  # the thread has it from here on
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            cancelled.set()
            assert await asyncio.to_thread(done.wait, SOON)
            last = (await stream.next_async(SOON)).sequence
            assert first < taken < last
            assert last - first == 2 + stream.missed
            wait_until(lambda: leases() == 0)

    in_loop(main())


def test_the_daemons_end_ends_the_wait(start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("--source", STILL)

    async def main() -> None:
        with framering.open(STILL, socket=daemon.socket) as stream:
            (await stream.next_async(SOON)).release()
            waiting = asyncio.create_task(stream.next_async())
            await asyncio.sleep(0)
            os.kill(daemon.pid, signal.SIGKILL)
            with pytest.raises(framering.Disconnected):
                await waiting

    in_loop(main())


def test_a_stream_moves_from_loop_to_loop(test_socket: str) -> None:
    with framering.open(FAST, socket=test_socket) as stream:
        for _ in range(3):

            async def main() -> None:
                for _ in range(5):
                    (await stream.next_async(SOON)).release()

            in_loop(main())


def test_a_fast_stream_does_not_starve_the_loop(test_socket: str) -> None:
    """Frames that are there already are returned without a wait, but not without a turn of the others."""

    async def main() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        with framering.open(FAST, mode="every", socket=test_socket) as stream:
            (await stream.next_async(SOON)).release()
            counting = asyncio.create_task(count())
            time.sleep(0.05)  # several frames wait now
            for _ in range(5):
                (await stream.next_async(SOON)).release()
            counting.cancel()
        return turns

    assert in_loop(main()) >= 5


def test_exit_with_a_task_that_waits_is_silent(still_socket: str) -> None:
    run(
        """
        import asyncio, sys, framering
        async def main():
            stream = framering.open("test:64x48@0.01", socket=sys.argv[1])
            await stream.next_async()
            asyncio.create_task(stream.next_async())
            await asyncio.sleep(0.01)
        asyncio.run(main())
        """,
        still_socket,
    )
