"""framering.mss beside the real mss on one desktop, and what arrays and asyncio cost. Prints JSON.

bench_mss.py grab SECONDS            both in turn, each call timed: wall time of a grab of the monitor; what
                                     of it is bell, the X server's copy, and the way back
bench_mss.py many SECONDS SIDE N     N processes at once, "mss" or "framering": grabs a second, all together
bench_mss.py arrays                  to_numpy(channels="RGB") and NumPy's own way, in turn
bench_mss.py wake SECONDS            from publishing to next() and next_async(), in turn; and what of it is
                                     asyncio's: the same of a bare pipe
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import multiprocessing
import os
import statistics
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import framering
import framering.mss
import mss
import numpy as np


def spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": statistics.median(ordered) * 1e3,
        "p99_ms": ordered[len(ordered) * 99 // 100] * 1e3,
        "calls": len(ordered),
    }


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def grab(seconds: float) -> dict[str, Any]:
    times: dict[str, list[float]] = {"mss": [], "framering": [], "framering_bgra": []}
    with mss.MSS() as theirs, framering.mss.MSS() as ours:
        monitor = theirs.monitors[1]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            times["mss"].append(timed(lambda: theirs.grab(monitor)))
            times["framering"].append(timed(lambda: ours.grab(monitor)))
            times["framering_bgra"].append(timed(lambda: ours.grab(monitor).bgra))
    return {side: spread(times[side]) for side in times} | {"parts_us": parts(seconds / 2)}


def parts(seconds: float) -> dict[str, float]:
    """Of a fresh frame with a change in it, asked for after mss has had its own."""
    spans: dict[str, list[int]] = {"bell": [], "capture": [], "back": []}
    with mss.MSS() as theirs, framering.open(max_fps=1) as stream:
        monitor = theirs.monitors[1]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            theirs.grab(monitor)
            asked = time.monotonic_ns()
            with stream.wait_until(asked) as frame:
                returned = time.monotonic_ns()
                if frame.capture_ns >= asked:
                    spans["bell"].append(frame.capture_ns - asked)
                    spans["capture"].append(frame.published_ns - frame.capture_ns)
                    spans["back"].append(returned - frame.published_ns)
    return {name: statistics.median(span) / 1e3 for name, span in spans.items()}


def grab_until(side: str, end: float) -> int:
    module: Any = mss if side == "mss" else framering.mss
    count = 0
    with module.MSS() as sct:
        monitor = sct.monitors[1]
        while time.monotonic() < end:
            sct.grab(monitor)
            count += 1
    return count


def many(seconds: float, side: str, processes: int) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.starmap(grab_until, [(side, 0.0)] * processes)  # everybody is there
        end = time.monotonic() + seconds
        counts = pool.starmap(grab_until, [(side, end)] * processes, chunksize=1)
    return {"grabs_per_s": sum(counts) / seconds}


def arrays() -> dict[str, Any]:
    ours: list[float] = []
    theirs: list[float] = []
    with framering.open() as stream, stream.latest() as frame:
        pixels = frame.numpy()
        for _ in range(25):
            ours.append(timed(lambda: frame.to_numpy(channels="RGB")))
            theirs.append(timed(lambda: pixels[..., 2::-1].copy()))
        assert np.array_equal(frame.to_numpy(channels="RGB"), pixels[..., 2::-1])
    return {"to_numpy": spread(ours), "numpy": spread(theirs)}


def wake(seconds: float) -> dict[str, Any]:
    """In turn, a second each, so that a drift of the machine falls on both."""
    blocking: list[float] = []
    awaited: list[float] = []

    def since_published(frame: framering.Frame) -> float:
        return (time.monotonic_ns() - frame.published_ns) / 1e9

    with framering.open() as stream:

        async def wait(end: float) -> None:
            while time.monotonic() < end:
                awaited.append(since_published(await stream.next_async(10)))

        for _ in range(max(1, round(seconds / 2))):
            end = time.monotonic() + 1
            while time.monotonic() < end:
                blocking.append(since_published(stream.next(10)))
            asyncio.run(wait(time.monotonic() + 1))
    return {"next": spread(blocking), "next_async": spread(awaited)} | bare_wake(round(15 * seconds))


def bare_wake(rounds: int) -> dict[str, Any]:
    """From when another process writes to a pipe until this one is awake, blocked or in asyncio."""
    sent_ns = mmap.mmap(-1, 8)
    pipes = {name: os.pipe() for name in ("read", "future")}

    def write() -> None:
        for _ in range(rounds):
            for _, writing in pipes.values():
                time.sleep(1 / 60)
                struct.pack_into("q", sent_ns, 0, time.monotonic_ns())
                os.write(writing, b"x")

    def since_sent() -> float:
        return (time.monotonic_ns() - int(struct.unpack_from("q", sent_ns)[0])) / 1e9

    async def wait() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        times: dict[str, list[float]] = {name: [] for name in pipes}
        reading = pipes["future"][0]
        for _ in range(rounds):
            os.read(pipes["read"][0], 1)
            times["read"].append(since_sent())
            came = loop.create_future()
            loop.add_reader(reading, came.set_result, None)
            await came
            times["future"].append(since_sent())
            loop.remove_reader(reading)
            os.read(reading, 1)
        return {f"bare_{name}": spread(each) for name, each in times.items()}

    writer = multiprocessing.get_context("fork").Process(target=write)
    writer.start()
    with contextlib.ExitStack() as stack:
        stack.callback(writer.join)
        stack.callback(writer.terminate)
        return asyncio.run(wait())


def main() -> None:
    what, *arguments = sys.argv[1:]
    if what == "grab":
        result = grab(float(arguments[0]))
    elif what == "many":
        result = many(float(arguments[0]), arguments[1], int(arguments[2]))
    elif what == "arrays":
        result = arrays()
    else:
        result = wake(float(arguments[0]))
    print(json.dumps(result | {"mss_version": mss.__version__}))


if __name__ == "__main__":
    main()
