"""framering.mss beside the real mss on one desktop, and what arrays and asyncio cost. Prints JSON.

bench_mss.py grab SECONDS            both in turn, each call timed: wall time of a grab of the monitor
bench_mss.py many SECONDS SIDE N     N processes at once, "mss" or "framering": grabs a second, all together
bench_mss.py arrays                  to_numpy(channels="RGB") and NumPy's own way, in turn
bench_mss.py wake SECONDS            from publishing to next() and next_async(), in turn
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
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
    return {side: spread(times[side]) for side in times}


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
    return {"next": spread(blocking), "next_async": spread(awaited)}


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
    print(json.dumps(result | {"mss": mss.__version__}))


if __name__ == "__main__":
    main()
