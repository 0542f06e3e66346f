"""Waiting for frames: timeouts, Ctrl-C, other threads, close(), the daemon's end, fork()."""

from __future__ import annotations

import math
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import framering
import pytest
from frames import FAST, STILL, Program, frame_number, leases_held, run, wait_until


@pytest.fixture
def stream(test_socket: str) -> Iterator[framering.Stream]:
    with framering.open(FAST, socket=test_socket) as stream:
        yield stream


@pytest.fixture
def still(still_socket: str) -> Iterator[framering.Stream]:
    """A stream that has shown its only frame."""
    with framering.open(STILL, socket=still_socket) as stream:
        stream.next(timeout=20).release()
        yield stream


def seconds_taken(action: Callable[[], object]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def test_next_returns_each_frame_once_and_in_order(stream: framering.Stream) -> None:
    sequences, numbers = [], []
    for frame in stream:
        sequences.append(frame.sequence)
        numbers.append(frame_number(frame.numpy()))
        if len(sequences) == 100:
            break
        del frame
    assert sequences == sorted(set(sequences))
    assert None not in numbers
    assert numbers == sorted(set(numbers))


def test_every_returns_frames_without_gaps_but_those_it_counts(test_socket: str) -> None:
    with framering.open(FAST, mode="every", socket=test_socket) as stream:
        first = stream.next().sequence
        for _ in range(200):
            last = stream.next().sequence
        assert last - first == 200 + stream.missed


def test_wait_until_confirms_an_unchanged_frame(still: framering.Stream) -> None:
    first = still.latest()
    for _ in range(10):
        moment = time.monotonic_ns()
        with still.wait_until() as frame:
            assert frame.sequence == first.sequence
            assert frame.capture_ns < moment <= frame.confirmed_ns
    moment = time.monotonic_ns()
    assert still.wait_until(moment, timeout=20).confirmed_ns >= moment
    assert first.confirmed_ns >= first.capture_ns


def test_wait_until_gives_a_frame_of_the_moment_or_later(stream: framering.Stream) -> None:
    for _ in range(50):
        moment = time.monotonic_ns()
        with stream.wait_until(moment, timeout=20) as frame:
            assert frame.confirmed_ns >= moment


def test_wait_until_waits_for_the_future_and_no_longer_than_its_timeout(still: framering.Stream) -> None:
    moment = time.monotonic_ns() + 50_000_000
    assert still.wait_until(moment, timeout=20).confirmed_ns >= moment
    assert time.monotonic_ns() >= moment
    with pytest.raises(TimeoutError):
        still.wait_until(time.monotonic_ns() + 10**13, timeout=0.05)
    with pytest.raises(TimeoutError):
        still.wait_until(timeout=0)  # asks nobody


def test_spinning_gives_the_same_frames(still: framering.Stream, stream: framering.Stream) -> None:
    for _ in range(10):
        moment = time.monotonic_ns()
        assert still.wait_until(moment, timeout=20, spin_us=100_000).confirmed_ns >= moment
        with stream.next(timeout=20, spin_us=100_000) as frame:
            assert frame.valid
    for spin_us in (-1, 1_000_001):
        with pytest.raises(framering.InvalidArgument, match="0 to 1 s"):
            still.wait_until(spin_us=spin_us)


def test_latest_returns_the_same_frame_again(still: framering.Stream) -> None:
    assert still.latest().sequence == still.latest().sequence


def test_times_are_those_of_the_monotonic_clock_in_order(stream: framering.Stream) -> None:
    begin = time.monotonic_ns()
    frame = stream.next()
    frame = stream.next()
    assert frame.capture_ns <= frame.capture_done_ns <= frame.published_ns <= time.monotonic_ns()
    assert frame.published_ns > begin - 1_000_000_000


def test_damage_is_a_list_of_rectangles_within_the_frame(stream: framering.Stream) -> None:
    stream.next().release()
    frame = stream.next()
    assert frame.damage
    for rect in frame.damage:
        assert isinstance(rect, framering.Rect)
        x, y, width, height = rect
        assert 0 <= x < x + width <= frame.width
        assert 0 <= y < y + height <= frame.height


def test_max_fps_bounds_the_rate(test_socket: str) -> None:
    with framering.open(FAST, max_fps=20, socket=test_socket) as stream:
        stream.next()
        assert seconds_taken(lambda: [stream.next().release() for _ in range(10)]) > 0.4


@pytest.mark.parametrize("timeout", [0, 0.0, 0.05, 0.3])
def test_a_timeout_is_kept(still: framering.Stream, timeout: float) -> None:
    def wait() -> None:
        with pytest.raises(TimeoutError, match="timeout"):
            still.next(timeout=timeout)

    assert timeout <= seconds_taken(wait) < timeout + 0.25


@pytest.mark.parametrize("timeout", [-1, -1e-9, math.nan, -math.inf])
def test_a_timeout_that_makes_no_sense_is_refused(stream: framering.Stream, timeout: float) -> None:
    for call in (stream.next, stream.latest):
        with pytest.raises(framering.InvalidArgument, match="timeout"):
            call(timeout=timeout)


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300, 10])
def test_a_long_timeout_waits_no_longer_than_for_a_frame(
    stream: framering.Stream, timeout: float | None
) -> None:
    assert seconds_taken(lambda: stream.next(timeout)) < 1
    assert seconds_taken(lambda: stream.latest(timeout)) < 1


# SIGINT as a terminal's programs have it, whatever started the tests.
WAIT = f"""
    import signal, sys, time, threading, framering
    signal.signal(signal.SIGINT, signal.default_int_handler)
    stream = framering.open("{STILL}", socket=sys.argv[1])
    stream.next(timeout=20)
"""


@pytest.mark.parametrize("wait", ["stream.next()", "stream.next(timeout=60)", "next(iter(stream))"])
def test_ctrl_c_ends_a_wait_at_once(still_socket: str, wait: str) -> None:
    program_text = (
        WAIT
        + f"""
    print("waiting", flush=True)
    try:
        {wait}
    except KeyboardInterrupt:
        print(time.monotonic())
    """
    )
    with Program(program_text, still_socket) as program:
        assert program.line() == "waiting"
        wait_until(lambda: is_asleep(program.process.pid))
        interrupted = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        assert float(program.end()) - interrupted < 0.2


def test_ctrl_c_ends_the_program_while_other_threads_wait(still_socket: str) -> None:
    program_text = (
        WAIT
        + """
    thread = threading.Thread(target=stream.next, daemon=True)
    thread.start()
    print("waiting", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print(thread.is_alive())
    """
    )
    with Program(program_text, still_socket) as program:
        assert program.line() == "waiting"
        wait_until(lambda: is_asleep(program.process.pid))
        program.process.send_signal(signal.SIGINT)
        assert program.end() == "True\n"


def test_a_signal_handler_that_returns_does_not_end_the_wait(still_socket: str) -> None:
    program_text = (
        WAIT
        + """
    import signal
    signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
    print("waiting", flush=True)
    try:
        stream.next(timeout=1)
    except TimeoutError:
        print("timeout")
    """
    )
    with Program(program_text, still_socket) as program:
        assert program.line() == "waiting"
        for _ in range(3):
            wait_until(lambda: is_asleep(program.process.pid))
            program.process.send_signal(signal.SIGUSR1)
            assert program.line() == "handled"
        assert program.end() == "timeout\n"


def is_asleep(pid: int) -> bool:
    """In a futex wait, as next() is."""
    with open(f"/proc/{pid}/wchan") as wchan, open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S" and "futex" in wchan.read()


def test_other_threads_run_during_a_wait(still: framering.Stream) -> None:
    steps = 0

    def step() -> None:
        nonlocal steps
        while not done.wait(0.001):
            steps += 1

    done = threading.Event()
    stepper = threading.Thread(target=step)
    stepper.start()
    before = steps
    with pytest.raises(TimeoutError):
        still.next(timeout=0.5)
    during = steps - before
    done.set()
    stepper.join()
    # Some hundreds; if the wait held the GIL, one or two as it begins and ends.
    assert during >= 10


def test_threads_on_one_stream_share_its_frames(stream: framering.Stream) -> None:
    seen: list[list[int]] = [[] for _ in range(2)]

    def read(mine: list[int]) -> None:
        for _ in range(50):
            mine.append(stream.next(timeout=10).sequence)

    threads = [threading.Thread(target=read, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sequences = [sequence for mine in seen for sequence in mine]
    assert len(set(sequences)) == 100
    assert all(mine == sorted(mine) for mine in seen)


def test_close_stops_iterations_and_wakes_waits_of_other_threads(still: framering.Stream) -> None:
    ended: list[Any] = []

    def iterate() -> None:
        ended.append(list(still))

    def wait() -> None:
        try:
            still.next()
        except framering.StreamClosed as error:
            ended.append(error.code)

    threads = [threading.Thread(target=target) for target in (iterate, iterate, wait)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(thread_is_asleep(thread) for thread in threads))
    took = seconds_taken(lambda: (still.close(), [thread.join(10) for thread in threads]))
    assert took < 0.5
    assert sorted(ended, key=str) == [[], [], "closed"]


def thread_is_asleep(thread: threading.Thread) -> bool:
    with open(f"/proc/self/task/{thread.native_id}/wchan") as wchan:
        return "futex" in wchan.read()


def test_a_closed_stream_says_so(stream: framering.Stream) -> None:
    assert not stream.closed
    stream.close()
    stream.close()
    assert stream.closed
    assert "closed" in repr(stream)
    assert list(stream) == []
    for call in (stream.next, stream.latest, stream.reopen):
        with pytest.raises(framering.StreamClosed):
            call()
    with pytest.raises(framering.StreamClosed):
        assert stream.shape


def seconds_until_told(start_daemon: Callable[..., Any]) -> float:
    """From a daemon's death to the error that the slower of two waits ends with."""
    daemon = start_daemon("--source", STILL)
    socket = str(daemon.socket)
    with framering.open(STILL, socket=socket) as stream, framering.connect(socket) as connection:
        stream.next(timeout=20).release()
        ends: list[float] = []

        def wait() -> None:
            with pytest.raises(framering.Disconnected) as caught:
                stream.next()
            ends.append(time.monotonic())
            assert isinstance(caught.value, ConnectionError)

        threads = [threading.Thread(target=wait) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: all(thread_is_asleep(thread) for thread in threads))
        killed = time.monotonic()
        os.kill(daemon.pid, signal.SIGKILL)
        for thread in threads:
            thread.join(10)
        assert len(ends) == 2
        with pytest.raises(framering.Disconnected):
            connection.list()
        with pytest.raises(framering.Disconnected):
            list(stream)
        return max(ends) - killed


def test_waits_end_at_once_with_the_daemons_death(start_daemon: Callable[..., Any]) -> None:
    median = statistics.median(seconds_until_told(start_daemon) for _ in range(5))
    print(f"told after {median * 1e3:.1f} ms (median)")
    assert median < 0.5  # the promise is 100 ms; a machine that is busy with other things takes longer


def test_a_forked_child_is_told_to_open_its_own(test_socket: str) -> None:
    output = run(
        f"""
        import os, sys, warnings, framering
        warnings.simplefilter("ignore", DeprecationWarning)  # of os.fork() with threads, since Python 3.12
        connection = framering.connect(sys.argv[1])
        stream = connection.open("{FAST}")
        frame = stream.latest()
        child = os.fork()
        if child == 0:
            for use in (stream.next, stream.latest, connection.list):
                try:
                    use()
                except framering.Error as error:
                    print(error.code, error.hint != "")
            own = framering.open("{FAST}", socket=sys.argv[1])
            print(own.next().sequence > 0, flush=True)
            del stream, connection, frame, own
            sys.stdout.flush()
            os._exit(0)
        print(os.waitpid(child, 0)[1], stream.next().sequence > frame.sequence, frame.valid)
        """,
        test_socket,
    )
    assert output == "forked True\n" * 3 + "True\n" + "0 True True\n"


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_that_ends_takes_nothing_from_its_parent(test_socket: str, stream: framering.Stream) -> None:
    frame = stream.latest()
    child = os.fork()
    if child == 0:
        del frame, stream
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert frame.valid
    assert leases_held(test_socket) == 1
    assert stream.next(timeout=5).sequence > frame.sequence


def test_two_processes_read_one_stream(test_socket: str) -> None:
    program_text = f"""
        import sys, zlib, framering
        with framering.open("{FAST}", socket=sys.argv[1]) as stream:
            print("open", flush=True)
            input()
            for _ in range(100):
                with stream.next(timeout=10) as frame:
                    print(frame.sequence, zlib.crc32(frame))
    """
    with Program(program_text, test_socket) as one, Program(program_text, test_socket) as other:
        programs = (one, other)
        assert [program.line() for program in programs] == ["open", "open"]
        for program in programs:
            assert program.process.stdin
            program.process.stdin.write("\n")
            program.process.stdin.flush()
        seen = [dict(line.split() for line in program.end().splitlines()) for program in programs]
    common = seen[0].keys() & seen[1].keys()
    assert len(common) > 10
    assert all(seen[0][sequence] == seen[1][sequence] for sequence in common)


def test_a_daemon_that_was_stopped_is_told_from_one_that_died(start_daemon: Callable[..., Any]) -> None:
    daemon = start_daemon("--source", STILL)
    with framering.connect(daemon.socket) as connection, connection.open(STILL) as stream:
        stream.next(timeout=20).release()
        os.kill(daemon.pid, signal.SIGTERM)

        def is_lost() -> bool:
            try:
                connection.list()
            except framering.Disconnected:
                return True
            return False

        wait_until(is_lost)
        with pytest.raises(framering.StreamEnded, match="frameringd was stopped"):
            stream.next(timeout=20)
