#!/usr/bin/env python3
"""Measures what the README promises of frames in GPU memory. Prints a table and writes JSON.

Each ratio is taken within one run on one machine. Needs a GPU, the programs of the build folder, Xvfb, and a
Python with `framering` and torch; the comparison needs `mss`.

    tests/gpu/bench.py --json FILE [--only NAME...] [--seconds S]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import framering

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "bench"))

from run import Bench, Row, cpu_seconds  # noqa: E402

WIDTH, HEIGHT = 3840, 2160
SIZE = f"{WIDTH}x{HEIGHT}"
FRAME_BYTES = WIDTH * HEIGHT * 4
WAKE_SOURCE = "test:64x48@120"
SPIN_US = 20_000
READER = str(Path(__file__).with_name("bench_reader.py"))


class GpuBench(Bench):
    @contextlib.contextmanager
    def daemon(self, display: str, *arguments: str) -> Iterator[tuple[dict[str, str], int]]:
        """A frameringd with its frames on the GPU; without a display it offers what `arguments` say."""
        socket = self.folder / f"socket{display[1:]}"
        env = {"DISPLAY": display, "FRAMERING_SOCKET": str(socket)}
        command = [str(self.bin / "frameringd"), "--socket", str(socket), "--memory", "cuda"]
        command += ["--log-level", "warn", *(["--display", display] if display else []), *arguments]
        with self.process(*command, env=env) as daemon:
            deadline = time.monotonic() + 30
            while not answers(socket):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("frameringd did not start")
                time.sleep(0.05)
            yield env, daemon.pid

    @contextlib.contextmanager
    def readers(
        self, count: int, env: dict[str, str], *arguments: str
    ) -> Iterator[list[subprocess.Popen[str]]]:
        """Processes of bench_reader.py, begun together once all are ready."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, READER, *arguments]
        with contextlib.ExitStack() as stack:
            readers = [stack.enter_context(self.process(*command, env=env, **pipes)) for _ in range(count)]
            for reader in readers:
                assert reader.stdout
                if reader.stdout.readline() != "ready\n":
                    raise RuntimeError(f"a reader did not start: {arguments}")
            for reader in readers:
                assert reader.stdin
                reader.stdin.write("begin\n")
                reader.stdin.flush()
            yield readers


def answers(socket: Path) -> bool:
    try:
        framering.connect(socket).close()
    except framering.Unavailable:
        return False
    return True


def result(reader: subprocess.Popen[str]) -> Any:
    assert reader.stdout
    return json.loads(reader.stdout.readline())


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def spread_us(ns: list[int]) -> dict[str, float]:
    return {f"p{q}": quantile([float(n) for n in ns], q / 100) / 1000 for q in (50, 95, 99)}


def at_most(what: str, figure: str, value: float, limit: float, target: str, detail: Any = None) -> Row:
    return Row(what, figure, target, value <= limit, detail or {})


def at_least(what: str, figure: str, value: float, limit: float, target: str, detail: Any = None) -> Row:
    return Row(what, figure, target, value >= limit, detail or {})


# --- what a frame costs until it is on the GPU ---


def capture(bench: GpuBench) -> list[Row]:
    with bench.xvfb(SIZE) as (display, _):
        env = {**os.environ, "DISPLAY": display}
        output = subprocess.run(
            [bench.program("bench_capture"), "cuda"], env=env, check=True, capture_output=True
        )
        bands_output = subprocess.run(
            [bench.program("bench_bands")], env=env, check=True, capture_output=True
        )
    times, bands = json.loads(output.stdout), json.loads(bands_output.stdout)
    whole, server = times["full_us"]["p50"], times["server_us"]["p50"]
    small = times["small_us"]["p50"]
    one, best = bands["1"]["p50"], min(bands, key=lambda n: bands[n]["p50"])
    parts = ", ".join(f"{n}: {bands[n]['p50'] / 1000:.2f}" for n in bands)
    return [
        at_most(
            "4K full change, Xvfb to complete in the GPU slot, beyond the X server's own copy",
            f"{(whole - server) / 1000:.2f} ms ({whole / 1000:.2f} - {server / 1000:.2f})",
            whole - server,
            750,
            "<= 0.75 ms",
            times,
        ),
        at_most(
            "256x128 change in 4K: damage event to published in GPU memory, p50",
            f"{small:.0f} us",
            small,
            120,
            "<= 120 us",
            times,
        ),
        Row(
            "4K full change in bands, each on its way while the server copies the next, ms by their number",
            f"{parts}; best {best}, {1 - bands[best]['p50'] / one:.0%} less",
            "report",
            None,
            bands,
        ),
    ]


# --- wake-ups ---


def bare_wake_ups(bench: GpuBench, waiters: int, *how: str) -> dict[str, float]:
    command = [bench.program("bench_futex"), str(waiters), "120", str(bench.seconds), *how]
    output = subprocess.run(command, check=True, capture_output=True)
    return json.loads(output.stdout)["wake_us"]


def native_wake_ups(bench: GpuBench, env: dict[str, str], spin_us: int = 0) -> dict[str, float]:
    command = [bench.program("bench_wake"), WAKE_SOURCE, str(bench.seconds), str(spin_us)]
    output = subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)
    return json.loads(output.stdout)["wake_us"]


def client_wake_ups(bench: GpuBench, env: dict[str, str], readers: int, spin_us: int = 0) -> dict[str, float]:
    arguments = ("wake", WAKE_SOURCE, str(bench.seconds), str(spin_us))
    with bench.readers(readers, env, *arguments) as running:
        return spread_us([ns for reader in running for ns in result(reader)])


def both(times: dict[str, float], digits: int = 0) -> str:
    return f"{times['p50']:.{digits}f} / {times['p99']:.{digits}f} us"


def wake(bench: GpuBench) -> list[Row]:
    """In turn and twice, so that a drift of the machine falls on all."""
    with bench.daemon("", "--source", WAKE_SOURCE) as (env, _):
        measures: dict[str, Callable[[], dict[str, float]]] = {
            "pair": lambda: bare_wake_ups(bench, 1),
            "one": lambda: client_wake_ups(bench, env, 1),
            "bare16": lambda: bare_wake_ups(bench, 16),
            "sixteen": lambda: client_wake_ups(bench, env, 16),
            "spin": lambda: client_wake_ups(bench, env, 1, SPIN_US),
            "native": lambda: native_wake_ups(bench, env),
            "native spin": lambda: native_wake_ups(bench, env, SPIN_US),
            "bare spin": lambda: bare_wake_ups(bench, 1, "watch"),
        }
        runs = [{name: measure() for name, measure in measures.items()} for _ in range(2)]
    middle = {
        name: {q: statistics.mean(run[name][q] for run in runs) for q in runs[0][name]} for name in measures
    }
    detail = {"runs": runs}
    rows = []
    for clients, name in ((1, "one"), (16, "sixteen")):
        ratios = {q: middle[name][q] / middle["pair"][q] for q in ("p50", "p99")}
        rows.append(
            at_most(
                f"publish to next() in {clients} Python client{'s' * (clients > 1)}, over a bare futex pair",
                f"{ratios['p50']:.2f} / {ratios['p99']:.2f} "
                f"({both(middle[name])} over {both(middle['pair'])})",
                max(ratios.values()),
                1.3,
                "<= 1.3 at p50 and p99",
                detail,
            )
        )
    like = {q: middle["sixteen"][q] / middle["bare16"][q] for q in ("p50", "p99")}
    rows.append(
        Row(
            "  16 clients over 16 bare waiters that one process wakes",
            f"{like['p50']:.2f} / {like['p99']:.2f} (over {both(middle['bare16'])})",
            "report",
            None,
        )
    )
    fast = middle["spin"]
    rows.append(
        Row(
            "publish to next(spin_us=...) in a Python client, p50 / p99",
            both(fast, 1),
            "<= 3 / 30 us",
            fast["p50"] <= 3 and fast["p99"] <= 30,
        )
    )
    native = "; ".join(f"{name} {both(middle[name], 1)}" for name in ("native", "native spin", "bare spin"))
    rows.append(
        Row("  of that in C++, asleep and spinning, and of a bare spinning pair", native, "report", None)
    )
    return rows


# --- in the client ---


def client(bench: GpuBench) -> list[Row]:
    import torch

    with bench.xvfb(SIZE) as (display, _), bench.daemon(display) as (env, _):
        socket = env["FRAMERING_SOCKET"]
        torch.zeros(1, device="cuda")
        attach_ms = [attach(torch, socket) for _ in range(20)]
        with framering.open(socket=socket) as stream:
            latest_us = latest_cpu_us(torch, stream)
            rows = conversions(torch, stream.latest())
    return [
        at_most(
            "latest() + torch.from_dlpack, CPU time a call",
            f"{latest_us:.1f} us",
            latest_us,
            10,
            "<= 10 us",
        ),
        *rows,
        at_most(
            "attach: connect to first tensor, context already there, p50",
            f"{statistics.median(attach_ms):.1f} ms",
            statistics.median(attach_ms),
            20,
            "<= 20 ms",
            {"ms": attach_ms},
        ),
    ]


def attach(torch: Any, socket: str) -> float:
    begin = time.perf_counter()
    with framering.open(socket=socket) as stream:
        tensor = torch.from_dlpack(stream.latest())
        torch.cuda.synchronize()
        took = time.perf_counter() - begin
        assert tensor.shape == (HEIGHT, WIDTH, 4)
        del tensor
    return took * 1000


def latest_cpu_us(torch: Any, stream: framering.Stream, calls: int = 5000) -> float:
    times = []
    for _ in range(5):
        begin = time.process_time()
        for _ in range(calls):
            torch.from_dlpack(stream.latest())
        times.append((time.process_time() - begin) / calls * 1e6)
    torch.cuda.synchronize()
    return min(times)


def gpu_us(torch: Any, work: Callable[[], object], count: int = 40) -> float:
    """A piece of work on the current stream, of many enqueued while the GPU was kept busy; the best of 5."""
    times = []
    for _ in range(5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(20_000_000)
        begin.record()
        for _ in range(count):
            work()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / count * 1000)
    return min(times)


def conversions(torch: Any, frame: framering.Frame) -> list[Row]:
    rows = []
    for name, size in (("same size", (HEIGHT, WIDTH)), ("to 3x1080x1920, area", (1080, 1920))):
        out = torch.empty((3, *size), dtype=torch.float16, device="cuda")
        moved = FRAME_BYTES + out.numel() * out.element_size()
        arguments = {"size": size, "resize": "area", "dtype": torch.float16, "out": out}
        convert_us = gpu_us(torch, lambda arguments=arguments: frame.to_torch(**arguments))
        source = torch.empty(moved // 2, dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        copy_us = gpu_us(torch, lambda target=target, source=source: target.copy_(source))
        share = copy_us / convert_us
        rows.append(
            at_least(
                f"4K BGRX to RGB CHW float16, {name}, of a device copy's bandwidth",
                f"{share:.0%} ({moved / convert_us / 1e6:.2f} of {moved / copy_us / 1e6:.2f} TB/s)",
                share,
                0.7,
                ">= 70 %",
                {"convert_us": convert_us, "copy_us": copy_us, "bytes": moved},
            )
        )
    return rows


# --- against what there is ---


def job(
    bench: GpuBench, env: dict[str, str], pids: list[int], what: str, processes: int, *options: str
) -> dict[str, float]:
    with bench.readers(processes, env, what, str(bench.seconds), *options) as running:
        before = sum(map(cpu_seconds, pids))
        results = [result(reader) for reader in running]
        servers = sum(map(cpu_seconds, pids)) - before
    spent = [ns for each in results for ns in each["spent_ns"]]
    parts = {
        f"{part}_us": statistics.median(ns[part] for each in results for ns in each["parts_ns"]) / 1000
        for part in results[0]["parts_ns"][0]
    }
    return {
        "ms_a_frame": statistics.median(spent) / 1e6,
        "p99_ms": quantile(spent, 0.99) / 1e6,
        "fresh_fps": statistics.mean(each["fresh"] for each in results) / bench.seconds,
        "servers_cores": servers / bench.seconds,
        **parts,
    }


def compare(bench: GpuBench) -> list[Row]:
    """The same desktop, that changes whole all the time, as RGB CHW float16 in each process."""
    detail: dict[str, dict[str, float]] = {}
    with (
        bench.xvfb(SIZE) as (display, server),
        bench.daemon(display, "--max-fps", "0") as (env, daemon),
        bench.process(
            bench.program("bench_drawer"), f"{SIZE}+0+0", "240", "600", env=env, stdout=subprocess.DEVNULL
        ),
    ):
        for processes in (1, 4, 1, 4):
            detail[f"ours_{processes}"] = job(bench, env, [server, daemon], "framering", processes)
        detail["spinning_1"] = job(bench, env, [server, daemon], "framering", 1, str(SPIN_US))
        for processes in (1, 4):
            detail[f"mss_{processes}"] = job(bench, env, [server], "mss", processes)
    rows = []
    for processes in (1, 4):
        ours, theirs = detail[f"ours_{processes}"], detail[f"mss_{processes}"]
        faster = theirs["ms_a_frame"] / ours["ms_a_frame"]
        fresher = ours["fresh_fps"] / theirs["fresh_fps"]
        who = f"{processes} process{'es' * (processes > 1)}"
        rows += [
            at_least(
                f"time a frame beside mss + torch, {who}",
                f"{faster:.0f} x less ({ours['ms_a_frame'] * 1000:.0f} us, {theirs['ms_a_frame']:.1f} ms)",
                faster,
                100,
                ">= 100 x",
                detail,
            ),
            at_least(
                f"fresh frames a second beside mss + torch, {who}",
                f"{fresher:.1f} x ({ours['fresh_fps']:.0f}, {theirs['fresh_fps']:.0f})",
                fresher,
                2.5,
                ">= 2.5 x",
            ),
        ]
    spinning_us = detail["spinning_1"]["ms_a_frame"] * 1000
    rows.append(
        Row(
            "  of 1 process, from next(spin_us=...), which never sleeps",
            f"{detail['mss_1']['ms_a_frame'] * 1000 / spinning_us:.0f} x less ({spinning_us:.0f} us)",
            "report",
            None,
        )
    )
    cpu = detail["ours_4"]["servers_cores"] / detail["ours_1"]["servers_cores"]
    rows.append(at_most("CPU of daemon + X server, 4 processes over 1", f"{cpu:.2f}", cpu, 1.1, "<= 1.1"))
    return rows


BENCHES: dict[str, Callable[[GpuBench], list[Row]]] = {
    "capture": capture,
    "wake": wake,
    "client": client,
    "compare": compare,
}


def what_is_missing(name: str) -> str | None:
    if name != "compare":
        return None
    return None if importlib.util.find_spec("mss") else "there is no package mss here"


def gpu() -> str | None:
    """Its name and driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return output.splitlines()[0].replace(", ", ", driver ")
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def toolkit() -> str:
    """The CUDA toolkit that the kernels were built with."""
    try:
        output = subprocess.run(["nvcc", "--version"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "no CUDA toolkit"
    found = re.search(r"release (\d+\.\d+)", output)
    return f"CUDA {found[1]}" if found else "an unknown CUDA toolkit"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what the README promises of frames in GPU memory.")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--seconds", type=float, default=5, help="length of each timed part")
    options = parser.parse_args()

    rows: list[Row] = []
    skipped: dict[str, str] = {}
    device = gpu()
    with tempfile.TemporaryDirectory(prefix="framering-bench-") as folder:
        bench = GpuBench(options.build, options.seconds, Path(folder))
        for name in options.only:
            if reason := what_is_missing(name) if device else "there is no GPU here":
                print(f"skipped: {name}: {reason}", file=sys.stderr)
                skipped[f"bench {name}"] = reason
                continue
            print(f"measuring: {name} ...", file=sys.stderr)
            begin = time.monotonic()
            try:
                rows += BENCHES[name](bench)
            except (RuntimeError, subprocess.CalledProcessError, framering.Error) as error:
                text = getattr(error, "stderr", None) or ""
                rows.append(Row(f"bench {name}", f"failed: {error} {text!r}", "to run", False))
            print(f"  took {time.monotonic() - begin:.0f} s", file=sys.stderr)

    system = f"{platform.system()} {platform.release()}"
    software = f"{toolkit()}, {system}, Python {platform.python_version()}"
    machine = f"{device or 'no GPU'}, {os.cpu_count()} cores, {software}"
    results = {"machine": machine, "rows": [asdict(row) for row in rows], "skipped": skipped}
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\n{machine}\n")
    width = max((len(row.what) for row in rows), default=0)
    for row in rows:
        verdict = {True: "reached", False: "NOT reached", None: ""}[row.reached]
        print(f"{row.what:<{width}}  {row.figure}  [{row.target}] {verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
