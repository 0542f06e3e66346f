"""How evenly frames come, and what it costs to follow the pointer."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator

from harness import Bench, Row, cpu_seconds, result, streams


@contextlib.contextmanager
def intervals(bench: Bench, env: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """bench_intervals for bench.seconds, once it has its first frame."""
    command = [bench.program("bench_intervals"), "screen", str(bench.seconds), *arguments]
    with bench.process(*command, env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        yield child


def spacing(bench: Bench) -> list[Row]:
    """How evenly a desktop that changes all the time is captured at max_fps 60."""
    size = "1920x1080"
    with bench.xvfb(size) as (display, _), bench.daemon(display, "--max-fps", "60") as (env, _):
        drawer = [bench.program("bench_drawer"), f"{size}+0+0", "240", str(bench.seconds + 4)]
        with bench.process(*drawer, env=env, stdout=subprocess.DEVNULL), intervals(bench, env) as reader:
            times = result(reader)
    p50, p99 = (times["interval_us"][q] / 1000 for q in ("p50", "p99"))
    return [
        Row(
            "constant full-screen change at max_fps 60: interval p99 - p50",
            f"{p99 - p50:.2f} ms ({p50:.2f}, {p99:.2f})",
            "<= 2 ms",
            p99 - p50 <= 2,
            times,
        )
    ]


def cursor(bench: Bench) -> list[Row]:
    """The pointer moves at 125 Hz over a static 4K desktop, and one client follows it."""
    with bench.xvfb("3840x2160") as (display, _), bench.daemon(display) as (env, daemon):
        mover = [bench.program("bench_pointer"), "125", str(bench.seconds + 12)]
        with bench.process(*mover, env=env, stdout=subprocess.DEVNULL):
            with bench.readers(1, env, "screen", "7"):
                time.sleep(7)  # past the last safety frame of the start
            with intervals(bench, env, "--cursor") as reader:
                before, spent = streams(bench, env)[0], cpu_seconds(daemon)
                times = result(reader)
                cores = (cpu_seconds(daemon) - spent) / bench.seconds
                captures = streams(bench, env)[0]["captures"] - before["captures"]
    updates = times["moves"] / bench.seconds
    return [
        Row(
            "pointer at 125 Hz over a static 4K desktop, one client following it",
            f"{captures} captures, {100 * cores:.2f} % of a core ({updates:.0f} updates/s)",
            "0, <= 1 %",
            captures == 0 and cores <= 0.01,
            times | {"captures": captures, "daemon_cores": cores},
        )
    ]
