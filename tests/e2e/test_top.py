"""`framering top`: on a terminal of 80x24, on others, and on none."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import framering
import pytest
from processes import Processes
from programs import ENV, MOVING, STILL, command, start_daemon

HOME, CLEAR = "\033[H", "\033[J"
OWN_SCREEN, OLD_SCREEN = "\033[?1049h", "\033[?1049l"


class Top:
    """`framering top` on a terminal of its own."""

    def __init__(self, socket: Path, *arguments: str, rows: int = 24, columns: int = 80) -> None:
        words = ["framering", "--socket", str(socket), "top", *arguments]
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.read(0, 1)  # until the terminal has its size
            os.execvpe(words[0], words, ENV)
        self.resize(rows, columns)
        os.write(self.terminal, b"\n")
        self.output = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def key(self, key: str) -> None:
        os.write(self.terminal, key.encode())

    def read_some(self, seconds: float) -> bool:
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            part = os.read(self.terminal, 65536)
        except OSError:  # how a terminal tells that the other end is closed
            return False
        self.output += part.decode()
        return bool(part)

    def screens(self) -> list[list[str]]:
        """What was drawn whole, one after the other."""
        parts = self.output.split(HOME)[1:]
        whole = [part.split(CLEAR)[0] for part in parts if CLEAR in part]
        return [[line.replace("\033[K", "") for line in part.split("\r\n")] for part in whole]

    def wait(self, condition: Callable[[list[str]], object], seconds: float = 20) -> list[str]:
        """The first screen from now on for which this holds."""
        end, seen = time.monotonic() + seconds, len(self.screens())
        while True:
            for screen in self.screens()[seen:]:
                if condition(screen):
                    return screen
            assert time.monotonic() < end, self.output[-3000:]
            self.read_some(0.2)

    def end(self) -> int:
        end = time.monotonic() + 20
        while self.read_some(0.2):
            assert time.monotonic() < end
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextlib.contextmanager
def top(socket: Path, *arguments: str, rows: int = 24, columns: int = 80) -> Iterator[Top]:
    shown = Top(socket, *arguments, rows=rows, columns=columns)
    try:
        yield shown
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(shown.pid, signal.SIGKILL)
            os.waitpid(shown.pid, 0)
        os.close(shown.terminal)


def row(screen: list[str], name: str) -> list[str]:
    return next(line.split() for line in screen if line.startswith(name))


def test_it_shows_streams_and_clients_in_80_columns_and_24_rows(socket: Path) -> None:
    with framering.connect(socket) as connection, connection.open(MOVING) as stream:
        frame = stream.next()
        with top(socket, "--interval", "0.3") as shown:
            screen = shown.wait(lambda lines: len(row(lines, MOVING)) > 3 and row(lines, MOVING)[3] != "-")
            assert len(screen) == 24
            assert max(map(len, screen)) <= 80
            assert screen[0].startswith("frameringd: clients 2, streams 3, denied 0, errors ")
            name, size, memory, fps, age, _, leases, readers = row(screen, MOVING)
            assert (name, size, memory, leases, readers) == (MOVING, "320x200", "host", "1", "1")
            assert 0 < float(fps) <= 70
            assert float(age) > 0
            client = next(line.split() for line in screen if f" {os.getpid()} " in line)
            assert client[1:3] == [str(os.getpid()), str(os.getuid())]
            assert client[3] == "1"
            assert client[6] == MOVING
            assert screen[-1].startswith("q quit")
        frame.release()


def test_keys_sort_and_q_quits_and_leaves_the_terminal_as_it_was(
    processes: Processes, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    slow, fast = "test:32x32@5", "test:64x48@60"
    start_daemon(processes, path, "--source", slow, "--source", fast)
    with (
        framering.connect(path) as connection,
        connection.open(slow),
        connection.open(fast),
        top(path, "--interval", "0.5") as shown,
    ):

        def order(screen: list[str]) -> list[str]:
            return [line.split()[0] for line in screen[3:5]]

        shown.wait(lambda lines: order(lines) == [slow, fast])
        assert not termios.tcgetattr(shown.terminal)[3] & (termios.ECHO | termios.ICANON)
        shown.key("f")
        shown.wait(lambda lines: order(lines) == [fast, slow])
        shown.key("n")
        shown.wait(lambda lines: order(lines) == [slow, fast])
        shown.key("?")
        shown.key("q")
        assert shown.end() == 0
        assert shown.output.count(OWN_SCREEN) == shown.output.count(OLD_SCREEN) == 1
        assert shown.output.rstrip().endswith(OLD_SCREEN)
        assert termios.tcgetattr(shown.terminal)[3] & (termios.ECHO | termios.ICANON)


def test_control_c_quits_too(socket: Path) -> None:
    with top(socket) as shown:
        shown.wait(lambda lines: lines)
        shown.key("\x03")
        assert shown.end() == 0
        assert OLD_SCREEN in shown.output


def test_it_follows_the_size_of_the_terminal_and_counts_what_has_no_room(socket: Path) -> None:
    with top(socket, "--interval", "0.3", rows=8, columns=40) as shown:
        screen = shown.wait(lambda lines: lines)
        assert len(screen) == 8
        assert max(map(len, screen)) <= 40
        assert any(re.fullmatch(r"\.\.\. and \d+ lines more", line) for line in screen)
        shown.resize(30, 120)
        screen = shown.wait(lambda lines: len(lines) == 30)
        assert not any("lines more" in line for line in screen)


def test_it_ends_with_the_daemon_and_says_so(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, "--source", STILL)
    with top(path, "--interval", "0.3") as shown:
        shown.wait(lambda lines: lines)
        daemon.child.terminate()
        assert shown.end() == 3
        after = shown.output.split(OLD_SCREEN)[1]
        assert "framering: the connection to frameringd is lost" in after


def test_without_a_terminal_it_prints_plain_lines(socket: Path) -> None:
    result = command(socket, "top", "--interval", "0.2", "--count", "2")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\033" not in result.stdout
    assert len(re.findall(r"^frameringd: clients 1, streams 3,", result.stdout, re.M)) == 2
    assert len(re.findall(rf"^{re.escape(MOVING)} +320x200 +host +[\d.]+ ", result.stdout, re.M)) == 2


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_an_interval_that_is_none_is_refused(socket: Path, value: str) -> None:
    assert command(socket, "top", "--interval", value).returncode == 2
