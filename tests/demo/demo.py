"""Framering at work: one desktop, captured once, read in place by three processes.

Takes the desktop at $DISPLAY or, where there is none, makes one. Prints what each client saw and writes a
picture. Exits 0 only if every client got frames in time and the picture shows something.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import framering
import numpy
from desktop import start_desktop
from PIL import Image
from processes import Failure, Process, Processes

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"
STARTUP_S = 60
AGE_LIMIT_MS = 1000  # a desktop that is a second behind is no live desktop


@dataclass
class Report:
    client: str
    frames: int
    unique: int
    missed: int
    ages_ms: list[float]

    def row(self, seconds: float) -> str:
        p50, p99 = numpy.percentile(self.ages_ms, [50, 99]) if self.ages_ms else (numpy.nan, numpy.nan)
        return (
            f"{self.client:<10} {self.frames:>7} {self.unique:>7} {self.frames / seconds:>6.1f}"
            f" {p50:>11.2f} {p99:>11.2f} {self.missed:>7}"
        )


def start_daemon(processes: Processes, display: str, socket: Path) -> framering.Connection:
    # The pictures are looked at by the CPU.
    command = ["frameringd", "--display", display, "--socket", str(socket), "--memory", "host"]
    daemon = processes.start("frameringd", command)
    while True:
        try:
            return framering.connect(socket)
        except framering.Unavailable:
            if daemon.child.poll() is not None:
                raise daemon.failure(f"cannot capture {display}") from None
            time.sleep(0.02)


def start_readers(processes: Processes, socket: Path, seconds: float, png: str) -> dict[str, Process]:
    python = [sys.executable, str(HERE / "reader.py"), "--seconds", str(seconds)]
    commands = {
        "C++": [str(BUILD / "release/tests/demo_reader"), str(seconds)],
        "Python 1": [*python, "--png", png],
        "Python 2": python,
    }
    env = {"FRAMERING_SOCKET": str(socket)}
    return {
        name: processes.start(name, command, env=env, stdout=subprocess.PIPE)
        for name, command in commands.items()
    }


def problems(reports: list[Report], png: str, own_desktop: bool) -> list[str]:
    found = []
    for report in reports:
        if report.frames == 0:
            found.append(f"{report.client} got no frame")
        if own_desktop and (report.unique < 2 or not report.ages_ms):
            found.append(f"{report.client} saw nothing change")
        if any(not 0 < age < AGE_LIMIT_MS for age in report.ages_ms):
            found.append(f"{report.client} got a frame {max(report.ages_ms):.0f} ms old")
    with Image.open(png) as image:
        if image.getcolors(maxcolors=1):
            found.append(f"{png} is blank")
    return found


def run(options: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="framering-demo-") as name, Processes() as processes:
        folder = Path(name)
        own_desktop = not os.environ.get("DISPLAY")
        if own_desktop:
            display = start_desktop(processes, folder, STARTUP_S + options.seconds)
        else:
            display = os.environ["DISPLAY"]
        print(
            f"Capturing {display}{' (an Xvfb of the demo)' if own_desktop else ''} for {options.seconds:g} s",
            flush=True,
        )
        connection = start_daemon(processes, display, folder / "socket")
        readers = start_readers(processes, folder / "socket", options.seconds, options.png)
        reports = [Report(name, **json.loads(reader.output())) for name, reader in readers.items()]
        screen = next(stream for stream in connection.list() if stream.source == "screen")
    print("client      frames  unique    fps  age p50 ms  age p99 ms  missed")
    for report in reports:
        print(report.row(options.seconds))
    print(
        f"One stream of {screen.width}x{screen.height}, {screen.published} frames captured for all of them."
    )
    print(f"Picture: {options.png}")
    return problems(reports, options.png, own_desktop)


def stop(number: int, frame: FrameType | None) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(ignored, signal.SIG_IGN)  # the processes are being ended already
    if number == signal.SIGALRM:
        raise Failure("it took too long; what hangs?")
    raise SystemExit(128 + number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--png", default="demo.png", help="where to write the picture")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(int(STARTUP_S + options.seconds))
    try:
        found = run(options)
    except Failure as failure:
        found = [str(failure)]
    for problem in found:
        print(f"demo: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
