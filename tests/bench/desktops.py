"""What many streams of one desktop cost, and frames with the pointer in them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from harness import Bench, Row, cpu_seconds, streams

# Ten tiles of 1920x1080, five in a row; each is drawn by a program of its own.
TILES = [(x, y, 384, 540) for y in (0, 540) for x in range(0, 1920, 384)]


def output(*command: str, env: dict[str, str]) -> str:
    return subprocess.run(
        command, env={**os.environ, **env}, check=True, capture_output=True, text=True
    ).stdout


def windows(env: dict[str, str]) -> dict[tuple[int, ...], str]:
    """The top-level windows: their sources by place and size."""
    found = re.findall(
        r"^ +(0x[0-9a-f]+) .*?(\d+)x(\d+)\+(\d+)\+(\d+)",
        output("xwininfo", "-root", "-children", env=env),
        re.M,
    )
    return {(int(x), int(y), int(w), int(h)): f"window:{id}" for id, w, h, x, y in found}


def tile_sources(env: dict[str, str]) -> list[str]:
    """Four tiles as regions, three as monitors, three as windows."""
    sources = [f"region:{x},{y},{w}x{h}" for x, y, w, h in TILES[:4]]
    for number, (x, y, w, h) in enumerate(TILES[4:7]):
        name = f"TILE{number}"
        output("xrandr", "--setmonitor", name, f"{w}/100x{h}/100+{x}+{y}", "none", env=env)
        sources.append(f"monitor:{name}")
    by_place = windows(env)
    return sources + [by_place[tile] for tile in TILES[7:]]


def parts(bench: Bench) -> list[Row]:
    """CPU of the daemon and the X server while all of a desktop changes, for one stream and for ten parts."""
    spent: dict[int, list[float]] = {1: [], 10: []}
    detail = {}
    with (
        bench.xvfb("1920x1080") as (display, server),
        bench.daemon(display) as (env, daemon),
        contextlib.ExitStack() as drawers,
    ):
        for x, y, w, h in TILES:
            drawer = [
                bench.program("bench_drawer"),
                f"{w}x{h}+{x}+{y}",
                "30",
                str(20 * bench.seconds + 60),
            ]
            drawers.enter_context(bench.process(*drawer, env=env, stdout=subprocess.DEVNULL))
        while not all(tile in windows(env) for tile in TILES):
            time.sleep(0.05)
        # In turn and twice, so that a drift of the machine falls on both.
        for sources in (["screen"], tile_sources(env)) * 2:
            with contextlib.ExitStack() as readers:
                for source in sources:
                    readers.enter_context(bench.readers(1, env, source, str(bench.seconds + 2)))
                before = sum(stream["published"] for stream in streams(bench, env))
                cpu = cpu_seconds(server) + cpu_seconds(daemon)
                time.sleep(bench.seconds)
                cpu = cpu_seconds(server) + cpu_seconds(daemon) - cpu
                frames = sum(stream["published"] for stream in streams(bench, env)) - before
            spent[len(sources)].append(cpu / bench.seconds)
            detail[f"frames_per_s_{len(sources)}"] = frames / len(sources) / bench.seconds
    one, ten = (sum(spent[count]) / 2 for count in (1, 10))
    return [
        Row(
            "CPU of daemon + X server, 10 parts of a desktop over all of it in 1 stream",
            f"{ten / one:.2f} ({100 * ten:.0f} over {100 * one:.0f} % of a core)",
            "<= 2",
            ten / one <= 2,
            detail | {"cores_1": one, "cores_10": ten},
        )
    ]


def with_cursor(bench: Bench) -> list[Row]:
    """A frame with the pointer in it of a 4K monitor, beside mss(with_cursor=True)."""
    with bench.xvfb("3840x2160") as (display, _), bench.daemon(display) as (env, _):
        script = pathlib.Path(__file__).with_name("bench_latest.py")
        times = json.loads(output(sys.executable, str(script), "--cursor", env=env))
    ratio = times["mss_us"] / times["latest_us"]
    return [
        Row(
            "latest() with the pointer in the frame at 4K over MSS grab() with_cursor",
            f"{ratio:,.0f} x faster",
            ">= 500 x",
            ratio >= 500,
            times,
        )
    ]
