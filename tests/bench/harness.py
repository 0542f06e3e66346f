"""What the benchmarks start and look at: X servers, daemons, readers, and what processes spend."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FOREIGNER = 65534  # who attacks, where this is run by root


@dataclass
class Row:
    what: str
    figure: str
    target: str
    reached: bool | None  # None: reported, nothing to reach
    detail: dict[str, Any] = field(default_factory=dict)


class Bench:
    def __init__(self, build: pathlib.Path, seconds: float, folder: pathlib.Path) -> None:
        self.build = build
        self.seconds = seconds
        self.folder = folder
        self.bin = pathlib.Path(os.environ.get("FRAMERING_BIN", build / "bin"))

    def program(self, name: str) -> str:
        return str(self.build / "tests" / name)

    @contextlib.contextmanager
    def process(
        self, *command: str, env: dict[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[str]]:
        child = subprocess.Popen(command, env={**os.environ, **(env or {})}, text=True, **options)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    @contextlib.contextmanager
    def xvfb(self, size: str) -> Iterator[tuple[str, int]]:
        """An X server of this size ("1920x1080"); yields its display and pid."""
        read, write = os.pipe()
        command = [
            "Xvfb",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            f"{size}x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ]
        with self.process(*command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
            os.close(write)
            with os.fdopen(read) as number:
                display = ":" + number.readline().strip()
            yield display, server.pid

    @contextlib.contextmanager
    def daemon(self, display: str, *arguments: str) -> Iterator[tuple[dict[str, str], int]]:
        """A frameringd for this display; yields the environment for its clients, and its pid."""
        socket = str(self.folder / f"socket{display[1:]}")
        env = {"DISPLAY": display, "FRAMERING_SOCKET": socket}
        command = [
            str(self.bin / "frameringd"),
            "--socket",
            socket,
            "--display",
            display,
            "--memory",
            "host",
            "--allow-uid",
            str(FOREIGNER),
            "--log-level",
            "error",
            *arguments,
        ]
        with self.process(*command, env=env) as daemon:
            deadline = time.monotonic() + 20
            while subprocess.run(
                [self.bin / "framering", "list"], env={**os.environ, **env}, capture_output=True
            ).returncode:
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("frameringd did not start")
                time.sleep(0.05)
            yield env, daemon.pid

    @contextlib.contextmanager
    def readers(
        self, count: int, env: dict[str, str], *arguments: str
    ) -> Iterator[list[subprocess.Popen[str]]]:
        with contextlib.ExitStack() as stack:
            readers = [
                stack.enter_context(
                    self.process(self.program("bench_reader"), *arguments, env=env, stdout=subprocess.PIPE)
                )
                for _ in range(count)
            ]
            for reader in readers:
                assert reader.stdout
                assert reader.stdout.readline() == "ready\n"
            yield readers


def result(reader: subprocess.Popen[str]) -> dict[str, Any]:
    assert reader.stdout
    return json.loads(reader.stdout.read().splitlines()[-1])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far."""
    return time.clock_gettime(~pid << 3 | 2)  # the clock that clock_getcpuclockid() makes of a pid


def wake_ups(pid: int) -> int:
    """How often the threads of a process went to sleep of their own will so far."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        total += int(lines["voluntary_ctxt_switches"])
    return total


def streams(bench: Bench, env: dict[str, str]) -> list[dict[str, Any]]:
    output = subprocess.run(
        [bench.bin / "framering", "list", "--json"],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )
    return json.loads(output.stdout)["streams"]


def published(bench: Bench, env: dict[str, str]) -> int:
    return int(streams(bench, env)[0]["published"])
