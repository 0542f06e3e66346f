#!/usr/bin/env python3
"""Measures what the README promises. Prints a table and writes JSON.

Every ratio is taken within one run on one machine. Exits with 1 where a figure misses its target. Needs the
programs of the build folder, Xvfb, and a Python with `framering` and `mss`.

    tests/bench/run.py --build build/release --json build/bench.json [--only NAME...] [--seconds S]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from typing import Any

import framering
from desktops import parts, with_cursor
from harness import Bench, Row, cpu_seconds, published, result, streams, wake_ups
from pacing import cursor, spacing


def capture(bench: Bench) -> list[Row]:
    with bench.xvfb("3840x2160") as (display, _):
        output = subprocess.run(
            [bench.program("bench_capture")],
            env={**os.environ, "DISPLAY": display},
            check=True,
            capture_output=True,
        )
    times = json.loads(output.stdout)
    full = times["full_us"]["p50"] / times["memcpy_us"]["p50"]
    small = times["small_us"]["p50"] / times["round_trip_us"]["p50"]
    return [
        Row(
            "4K full-change capture, wall, over a memcpy of the same bytes",
            f"{full:.2f}",
            "<= 1.15",
            full <= 1.15,
            times,
        ),
        Row(
            "256x128 change in 4K: capture and publish, over a bare X round trip",
            f"{small:.2f}",
            "<= 3",
            small <= 3,
            times,
        ),
    ]


def latest(bench: Bench) -> list[Row]:
    with bench.xvfb("3840x2160") as (display, _), bench.daemon(display) as (env, _):
        script = pathlib.Path(__file__).with_name("bench_latest.py")
        output = subprocess.run(
            [sys.executable, script], env={**os.environ, **env}, check=True, capture_output=True
        )
    times = json.loads(output.stdout)
    ratio = times["mss_us"] / times["latest_us"]
    return [
        Row(
            "Python latest() at 4K over MSS grab()",
            f"{ratio:,.0f} x faster",
            ">= 2,000 x",
            ratio >= 2000,
            times,
        )
    ]


def sharing(bench: Bench) -> list[Row]:
    """CPU of the daemon and the X server for each frame that is published while every frame changes whole,
    for one client and for sixteen."""
    size, detail = "1920x1080", {}
    with bench.xvfb(size) as (display, server), bench.daemon(display) as (env, daemon):
        drawer = [bench.program("bench_drawer"), f"{size}+0+0", "60", str(20 * bench.seconds)]
        with bench.process(*drawer, env=env, stdout=subprocess.DEVNULL):
            # In turn and twice, so that a drift of the machine falls on both.
            spent: dict[int, list[float]] = {1: [], 16: []}
            for count in (1, 16, 1, 16):
                with bench.readers(count, env, "screen", str(bench.seconds + 2)) as readers:
                    cpu, frames = cpu_seconds(server) + cpu_seconds(daemon), published(bench, env)
                    time.sleep(bench.seconds)
                    cpu = cpu_seconds(server) + cpu_seconds(daemon) - cpu
                    frames = published(bench, env) - frames
                    spent[count].append(1000 * cpu / frames)
                    seen = [result(reader)["frames"] for reader in readers]
                detail[f"published_fps_{count}"] = frames / bench.seconds
                detail[f"client_fps_{count}"] = statistics.median(seen) / (bench.seconds + 2)
    one, sixteen = statistics.mean(spent[1]), statistics.mean(spent[16])
    detail |= {"cpu_ms_a_frame_1": one, "cpu_ms_a_frame_16": sixteen}
    ratio = sixteen / one
    return [
        Row(
            "CPU of daemon + X server a frame at 1080p60, 16 clients over 1",
            f"{ratio:.2f}",
            "<= 1.3",
            ratio <= 1.3,
            detail,
        )
    ]


def static(bench: Bench) -> list[Row]:
    """A desktop where nothing changes, and three clients that wait."""
    seconds = 10.0
    with (
        bench.xvfb("1920x1080") as (display, _),
        bench.daemon(display) as (env, daemon),
        bench.readers(3, env, "screen", str(seconds + 12)) as readers,
    ):
        time.sleep(7)  # past the last safety frame of the start
        pids = [daemon, *(reader.pid for reader in readers)]
        before, slept = streams(bench, env)[0], {pid: wake_ups(pid) for pid in pids}
        time.sleep(seconds)
        woken = {pid: (wake_ups(pid) - slept[pid]) / seconds for pid in pids}
        after = streams(bench, env)[0]
    captures, publishes = after["captures"] - before["captures"], after["published"] - before["published"]
    worst = max(woken.values())
    figure = f"{captures} captures, {publishes} publishes, {worst:.1f} wake-ups/s"
    return [
        Row(
            "static desktop, 3 clients waiting 10 s",
            figure,
            "0, 0, <= 1 a process",
            captures == publishes == 0 and worst <= 1,
            {"daemon_wake_ups_per_s": woken[daemon], "worst_wake_ups_per_s": worst},
        )
    ]


def publish(bench: Bench) -> list[Row]:
    output = subprocess.run([bench.program("bench_publish")], check=True, capture_output=True, text=True)
    runs = [json.loads(line) for line in output.stdout.splitlines()]
    p50 = [run["both_us"]["p50"] for run in runs]
    ratio = max(p50) / p50[0]
    figure = f"{ratio:.2f} (" + ", ".join(f"{us:.1f}" for us in p50) + " us)"
    return [
        Row(
            "slot choice + publish in the capture thread, 1, 8, 64, 256 clients, worst over 1",
            figure,
            "<= 1.5",
            ratio <= 1.5,
            {"runs": runs},
        )
    ]


ATTACKS = ["pins", "connects", "requests", "mute", "rings", "crowds"]
STEPS = ["age_us", "draw_to_request_us", "capture_us", "publish_us", "deliver_us"]


def ages(bench: Bench, readers: int, *, attack: str | None = None) -> dict[str, Any]:
    """How old 256x128 changes of a 1080p desktop are when a client can read them, step by step.

    Medians over the clients."""
    stamps = bench.folder / "stamps"
    stamps.write_bytes(bytes(8 * 65536))
    seconds = str(bench.seconds)
    with contextlib.ExitStack() as stack:
        display, _ = stack.enter_context(bench.xvfb("1920x1080"))
        env, _ = stack.enter_context(bench.daemon(display))
        if attack:
            attacker = [bench.program("bench_attacker"), attack, env["FRAMERING_SOCKET"], "screen", seconds]
            stack.enter_context(bench.process(*attacker))
        running = stack.enter_context(bench.readers(readers, env, "screen", seconds, str(stamps), "16", "16"))
        drawer = [bench.program("bench_drawer"), "256x128+16+16", "40", str(bench.seconds - 1), str(stamps)]
        subprocess.run(drawer, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)
        results = [result(reader) for reader in running]
    merged: dict[str, Any] = {
        step: {q: statistics.median(r[step][q] for r in results) for q in ("p50", "p95", "p99")}
        for step in STEPS
    }
    return merged | {"samples": sum(r["samples"] for r in results)}


def age(bench: Bench) -> list[Row]:
    merged = ages(bench, 8)
    figure = "p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} us".format(**merged["age_us"])
    parts = ", ".join(f"{step.removesuffix('_us')} {merged[step]['p50']:.0f}" for step in STEPS[1:])
    return [
        Row("age at the client, 256x128 change at 1080p, 8 clients", figure, "report", None, merged),
        Row("  of which (p50, us)", parts, "report", None),
    ]


def hostile(bench: Bench) -> list[Row]:
    """What an honest client pays for a hostile one of another user beside it."""
    alone = ages(bench, 1)
    attacked = {kind: ages(bench, 1, attack=kind) for kind in ATTACKS}
    ratios = {
        q: [ages["age_us"][q] / alone["age_us"][q] for ages in attacked.values()] for q in ("p50", "p99")
    }
    figure = "; ".join(f"{q} {', '.join(f'{ratio:.2f}' for ratio in of_all)}" for q, of_all in ratios.items())
    return [
        Row(
            f"age at an honest client beside a hostile one, over alone: {', '.join(ATTACKS)}",
            figure,
            "<= 2",
            max(max(of_all) for of_all in ratios.values()) <= 2,
            {"alone": alone} | attacked,
        )
    ]


def killed(bench: Bench) -> list[Row]:
    """From SIGKILL for the daemon to the error in a client that waits for a frame."""
    source = "test:64x48@0.01"  # the second frame comes after 100 s
    times_ms = []
    for _ in range(20):
        with (
            bench.daemon(":0", "--source", source) as (env, daemon),
            framering.connect(env["FRAMERING_SOCKET"]) as connection,
            connection.open(source) as stream,
        ):
            stream.next(10).release()
            ended: list[float] = []

            def wait(stream: framering.Stream = stream, ended: list[float] = ended) -> None:
                with contextlib.suppress(framering.Disconnected):
                    stream.next()
                ended.append(time.monotonic())

            waiter = threading.Thread(target=wait)
            waiter.start()
            time.sleep(0.1)  # it sleeps by then
            start = time.monotonic()
            os.kill(daemon, signal.SIGKILL)
            waiter.join()
            times_ms.append((ended[0] - start) * 1000)
    p50, worst = statistics.median(times_ms), max(times_ms)
    return [
        Row(
            "kill -9 of the daemon -> error in a waiting client, p50, worst of 20",
            f"{p50:.0f}, {worst:.0f} ms",
            "<= 100 ms",
            worst <= 100,
            {"ms": times_ms},
        )
    ]


def tensor(bench: Bench) -> list[Row]:
    """A 4K BGRX frame as an RGB CHW float16 tensor on the CPU, over a memcpy that moves as many bytes."""
    output = subprocess.run([bench.program("bench_tensor")], check=True, capture_output=True, text=True)
    cases = {case["case"]: case for case in map(json.loads, output.stdout.splitlines())}
    ratios = {name: case["tensor_us"]["p50"] / case["memcpy_us"]["p50"] for name, case in cases.items()}
    return [
        Row(
            "4K to RGB CHW float16 on the CPU, over a memcpy of as many bytes",
            f"{ratios['same']:.2f}",
            "<= 1.5",
            ratios["same"] <= 1.5,
            cases["same"],
        ),
        Row(
            "  and at half the size, area",
            f"{ratios['half']:.2f} ({cases['half']['tensor_us']['p50'] / 1000:.1f} ms)",
            "report",
            None,
            cases["half"],
        ),
    ]


def beside_mss(bench: Bench, env: dict[str, str], *arguments: object) -> dict[str, Any]:
    script = pathlib.Path(__file__).with_name("bench_mss.py")
    output = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )
    times: dict[str, Any] = json.loads(output.stdout)
    return times


def grab(bench: Bench) -> list[Row]:
    """A Python program that grabs a 4K monitor with framering.mss, over the same with mss."""
    rows = []
    for what, changed, target in (
        ("the whole screen changes", "3840x2160", 1.5),
        ("1 % changes", "384x216", 50),
    ):
        # Without a cap, since the real mss has none either.
        with bench.xvfb("3840x2160") as (display, _), bench.daemon(display, "--max-fps", "0") as (env, _):
            drawer = [bench.program("bench_drawer"), f"{changed}+0+0", "60", str(20 * bench.seconds)]
            with bench.process(*drawer, env=env, stdout=subprocess.DEVNULL):
                times = beside_mss(bench, env, "grab", bench.seconds)
        ratio = times["mss"]["p50_ms"] / times["framering"]["p50_ms"]
        copied = times["mss"]["p50_ms"] / times["framering_bgra"]["p50_ms"]
        figure = f"{ratio:.1f} x faster ({times['framering']['p50_ms']:.2f} ms; with .bgra {copied:.1f} x)"
        rows.append(
            Row(
                f"framering.mss grab() at 4K60 over mss, {what}",
                figure,
                f">= {target:g} x",
                ratio >= target,
                times,
            )
        )
        spans = times["parts_us"]
        rows.append(
            Row(
                "  of that: bell to request, the X server's copy, published to returned",
                f"{spans['bell']:.0f}, {spans['capture']:.0f}, {spans['back']:.0f} us",
                "report",
                None,
            )
        )
    with bench.xvfb("3840x2160") as (display, _), bench.daemon(display, "--max-fps", "0") as (env, _):
        drawer = [bench.program("bench_drawer"), "384x216+0+0", "60", str(20 * bench.seconds)]
        with bench.process(*drawer, env=env, stdout=subprocess.DEVNULL):
            sides = {
                side: beside_mss(bench, env, "many", bench.seconds, side, 4) for side in ("mss", "framering")
            }
    ratio = sides["framering"]["grabs_per_s"] / sides["mss"]["grabs_per_s"]
    figure = f"{ratio:.1f} x ({sides['framering']['grabs_per_s']:.0f} a second)"
    rows.append(
        Row(
            "4 processes grab() at 4K, 1 % changes, all together over mss",
            figure,
            ">= 4 x",
            ratio >= 4,
            sides,
        )
    )
    return rows


def python(bench: Bench) -> list[Row]:
    """What conversions and asyncio cost a Python program."""
    with bench.xvfb("3840x2160") as (display, _), bench.daemon(display) as (env, _):
        arrays = beside_mss(bench, env, "arrays")
        drawer = [bench.program("bench_drawer"), "256x128+16+16", "60", str(20 * bench.seconds)]
        with bench.process(*drawer, env=env, stdout=subprocess.DEVNULL):
            wakes = beside_mss(bench, env, "wake", bench.seconds)
    ratio = arrays["numpy"]["p50_ms"] / arrays["to_numpy"]["p50_ms"]
    cost = wakes["next_async"]["p50_ms"] / wakes["next"]["p50_ms"]
    return [
        Row(
            'to_numpy(channels="RGB") at 4K over a[..., 2::-1].copy()',
            f"{ratio:.1f} x faster ({arrays['to_numpy']['p50_ms']:.1f} ms)",
            ">= 3 x",
            ratio >= 3,
            arrays,
        ),
        Row(
            "asyncio: published to returned, next_async() over next()",
            f"{cost:.2f} ({wakes['next_async']['p50_ms'] * 1e3:.0f} us)",
            "<= 1.5",
            cost <= 1.5,
            wakes,
        ),
        Row(
            "  the same of a bare pipe: asyncio's future over a blocking read",
            f"{wakes['bare_future']['p50_ms'] / wakes['bare_read']['p50_ms']:.2f} "
            f"({wakes['bare_future']['p50_ms'] * 1e3:.0f} us)",
            "report",
            None,
        ),
    ]


BENCHES = {
    f.__name__: f
    for f in (
        capture,
        latest,
        sharing,
        static,
        spacing,
        cursor,
        parts,
        with_cursor,
        publish,
        age,
        hostile,
        killed,
        tensor,
        grab,
        python,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what the README promises.")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/release"))
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("build/bench.json"))
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--seconds", type=float, default=8, help="length of each timed part")
    options = parser.parse_args()

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="framering-bench-") as folder:
        os.chmod(folder, 0o711)  # for who attacks as another user
        bench = Bench(options.build, options.seconds, pathlib.Path(folder))
        for name in options.only:
            print(f"measuring: {name} ...", file=sys.stderr)
            rows += BENCHES[name](bench)

    system = f"{platform.system()} {platform.release()}"
    machine = f"{os.cpu_count()} cores, {system}, Python {platform.python_version()}"
    options.json.write_text(
        json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2) + "\n"
    )
    widths = [max(len(getattr(row, column)) for row in rows) for column in ("what", "figure", "target")]
    print(f"\n{machine}\n")
    for row in rows:
        verdict = {True: "reached", False: "NOT reached", None: ""}[row.reached]
        print(f"{row.what:<{widths[0]}}  {row.figure:>{widths[1]}}  {row.target:>{widths[2]}}  {verdict}")
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
