"""Monitors and windows, changes of them, and streams of windows that are hidden or moved."""

from __future__ import annotations

import pickle
import re
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import framering
import pytest
from daemons import frameringd
from frames import wait_until
from screens import desktop, split, xdotool, xterm


@pytest.fixture
def display() -> Iterator[str]:
    with desktop("400x300x24", "#102030") as display:
        yield display


@pytest.fixture
def socket(display: str) -> Iterator[Path]:
    with frameringd("--display", display) as daemon:
        yield daemon.socket


def place(display: str, window: int) -> tuple[int, int]:
    """Of a window on the desktop, as xwininfo tells it: within the border."""
    command = ["xwininfo", "-display", display, "-id", str(window)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    x, y, border = re.findall(r"(?:Absolute upper-left [XY]|Border width): +(-?\d+)", told)
    return int(x) + int(border), int(y) + int(border)


def test_monitors_and_windows_are_listed_and_open_by_their_source(display: str, socket: Path) -> None:
    split(display, "left 180/80x300/150+0+0 screen", "right 220/90x250/150+180+50 none")
    left, right = framering.monitors(socket)
    assert (left.name, left.output, left.x, left.y, left.width, left.height) == (
        "left",
        "screen",
        0,
        0,
        180,
        300,
    )
    assert (right.name, right.output, right.x, right.y, right.width_mm) == ("right", "", 180, 50, 90)
    assert right.edid == b""
    with framering.open(right.source, socket=socket) as stream:
        assert (stream.width, stream.height, stream.position) == (220, 250, (180, 50))
    with xterm(display, "Notes", "#204060") as id:
        (window,) = framering.windows(socket)
        assert (window.id, window.title, window.class_name) == (id, "Notes", "Notes")
        assert (window.x, window.y) == place(display, id)
        assert (window.mapped, window.minimised, window.workspace) == (True, False, None)
        with framering.open(window.source, socket=socket) as stream:
            assert (stream.width, stream.height) == (window.width, window.height)


def test_a_connection_tells_of_the_whole_desktop(display: str, socket: Path) -> None:
    with framering.connect(socket) as connection:
        told = connection.desktop()
        assert (told.display, told.width, told.height, told.windows) == (display, 400, 300, [])
        assert (told.window_count, told.monitors_withheld, told.windows_withheld) == (0, "", "")
        assert connection.monitors() == told.monitors
        assert pickle.loads(pickle.dumps(told)) == told
    with pytest.raises(framering.Error, match="this connection was closed"):
        connection.desktop()


def test_without_a_display_it_says_why() -> None:
    with frameringd("--source", "test:8x8@1", env={"DISPLAY": ""}) as daemon:
        for call in (framering.monitors, framering.windows):
            with pytest.raises(framering.Error, match="no X display is named") as error:
                call(daemon.socket)
            assert "set DISPLAY" in error.value.hint


def test_a_watch_iterates_over_the_states_of_the_desktop(display: str, socket: Path) -> None:
    with framering.watch_desktop(socket) as watch:
        assert next(watch).windows == []
        assert not select.select([watch], [], [], 0)[0]
        with pytest.raises(TimeoutError):
            watch.next(0.05)
        with xterm(display, "Notes", "#204060") as id:
            for told in watch:
                if [window.title for window in told.windows if window.mapped] == ["Notes"]:
                    break
            xdotool(display, "windowmove", str(id), "40", "50")
            for told in watch:
                if (told.windows[0].x, told.windows[0].y) == place(display, id):
                    break
        for told in watch:
            if not told.windows:
                break
    assert watch.closed
    with pytest.raises(framering.Error, match="this watch was closed"):
        watch.next()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(watch)


def test_ctrl_c_ends_a_wait_for_changes(socket: Path) -> None:
    # As a terminal's programs have it, whatever started the tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with framering.watch_desktop(socket) as watch:
        watch.next()
        main = threading.main_thread().ident
        assert main
        threading.Timer(0.2, signal.pthread_kill, [main, signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            watch.next()
    signal.signal(signal.SIGINT, before)


def test_a_hidden_window_is_stale_until_it_is_back(display: str, socket: Path) -> None:
    with xterm(display, "Notes", "#204060") as id, framering.open(f"window:{id:#x}", socket=socket) as stream:
        before = stream.latest().numpy().copy()
        assert not stream.stale
        assert stream.wait_live(0)
        xdotool(display, "windowunmap", "--sync", str(id))
        wait_until(lambda: stream.stale)
        assert not stream.wait_live(0.05)
        with stream.latest() as frame:
            assert (frame.numpy() == before).all()
        lived = []
        waiter = threading.Thread(target=lambda: lived.append(stream.wait_live(20)))
        waiter.start()
        xdotool(display, "windowmap", "--sync", str(id))
        waiter.join()
        assert lived == [True]
        assert not stream.stale


def test_a_windows_position_follows_it_without_a_new_epoch(display: str, socket: Path) -> None:
    with xterm(display, "Notes", "#204060") as id, framering.open(f"window:{id:#x}", socket=socket) as stream:
        epoch = stream.latest().epoch
        assert stream.position == place(display, id)
        for x, y in ((60, 70), (-30, 0), (200, 150)):
            xdotool(display, "windowmove", str(id), str(x), str(y))
            wait_until(lambda: stream.position == place(display, id))
        assert stream.epoch == epoch
