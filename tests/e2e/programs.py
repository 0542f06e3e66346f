"""What the tests of this folder start and wait for."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import framering
from desktop import start_server
from processes import Process, Processes

ROOT = Path(__file__).parents[2]
STILL = "test:64x48@0.01"  # its second frame comes 100 s after the first
MOVING = "test:320x200@60"
WIDE = "test:1366x768@59.94005994005994"
# Without what would lead a program to another daemon or display than the test's.
ENV = {
    name: value
    for name, value in os.environ.items()
    if name not in {"DISPLAY", "FRAMERING_SOCKET", "XDG_RUNTIME_DIR"}
}


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come true in time"
        time.sleep(0.01)


def answers(path: Path) -> bool:
    try:
        framering.connect(path).close()
    except framering.Unavailable:
        return False
    return True


def start_daemon(processes: Processes, path: Path, *arguments: str) -> Process:
    """Returns once it serves the path."""
    daemon = processes.start(
        "frameringd", ["frameringd", "--memory", "host", "--socket", str(path), *arguments]
    )
    wait_until(lambda: daemon.child.poll() is not None or answers(path))
    if daemon.child.poll() is not None:
        raise daemon.failure("did not start")
    return daemon


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Its output as text, unless `options` say otherwise."""
    options = {"env": ENV, "capture_output": True, "text": True, "timeout": 60, **options}
    return subprocess.run([str(word) for word in command], **options)


def command(socket: Path, *arguments: object, **options: Any) -> subprocess.CompletedProcess[Any]:
    return run("framering", "--socket", socket, *arguments, **options)


def listed(socket: Path, source: str) -> dict[str, Any]:
    streams = json.loads(command(socket, "list", "--json").stdout)["streams"]
    return next(stream for stream in streams if stream["source"] == source)


def on_terminal(*words: str) -> tuple[str, int]:
    """What a command prints on a terminal, and its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(words[0], list(words), ENV)
    output = b""
    with contextlib.suppress(OSError):  # how a terminal tells that the other end is closed
        while part := os.read(terminal, 4096):
            output += part
    os.close(terminal)
    return output.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@contextlib.contextmanager
def stopped(process: Process) -> Iterator[None]:
    process.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.child.send_signal(signal.SIGCONT)


class Screen:
    """A daemon on an X server of its own."""

    def __init__(self, processes: Processes, folder: Path, size: str = "320x200x24") -> None:
        self.server, self.display = start_server(processes, size)
        self.socket = folder / "socket"
        self.daemon = start_daemon(processes, self.socket, "--display", self.display)
