"""Looking at a stream: in a window, in a terminal, on a contact sheet."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import framering
import numpy as np
import pytest
from daemons import Daemon
from framering import _show
from frames import FAST, STILL
from screens import desktop


@pytest.fixture
def stream(test_socket: str) -> Iterator[framering.Stream]:
    with framering.open(FAST, socket=test_socket) as stream:
        yield stream


def test_a_terminal_shows_two_pixels_a_character(still_socket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_show, "_terminal_size", lambda _: os.terminal_size((64, 25)))
    monkeypatch.setattr(sys, "stdout", terminal := io.StringIO())
    with framering.open(STILL, socket=still_socket) as stream:
        expected = stream.latest(timeout=20).numpy()[..., 2::-1]
    with framering.open(STILL, socket=still_socket) as stream:
        assert framering.show(stream, where="terminal", seconds=0.5) == 1
    text = terminal.getvalue()
    pairs = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m\u2580", text)
    assert len(pairs) == 64 * 24
    shown = np.array(pairs, int).reshape(24, 64, 2, 3).transpose(0, 2, 1, 3).reshape(48, 64, 3)
    np.testing.assert_array_equal(shown, expected)
    assert text.startswith("\x1b[?25l")
    assert text.endswith("\x1b[?25h\n"), "the cursor is back"


def test_a_real_terminal_is_filled_and_left_in_order(test_socket: str) -> None:
    program = (
        "import sys, framering\n"
        f"with framering.open({FAST!r}, socket={test_socket!r}) as stream:\n"
        "    print(framering.show(stream, where='terminal', fps=50, seconds=1))\n"
    )
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    output = b""
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 65536):
            output += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    text = output.decode()
    shown = int(text.splitlines()[-1])
    assert 2 <= shown == text.count("\x1b[H\x1b[38")
    assert text.count("frame ") == shown


def test_a_window_shows_the_stream_until_it_is_closed(stream: framering.Stream) -> None:
    pytest.importorskip("tkinter")
    with desktop("640x480x24", "#000000") as display:
        program = (
            "import framering\n"
            f"with framering.open({FAST!r}, socket={stream_socket(stream)!r}) as stream:\n"
            "    print(framering.show(stream, where='window', seconds=40))\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "DISPLAY": display},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            found = subprocess.run(
                ["xdotool", "search", "--sync", "--onlyvisible", "--name", "framering"],
                env={**os.environ, "DISPLAY": display},
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            )
            window = found.stdout.split()[0]
            picture = subprocess.run(
                ["xwininfo", "-display", display, "-id", window],
                check=True,
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert "Width: 64" in picture.stdout
            close = ["xdotool", "windowclose", window]
            subprocess.run(close, env={**os.environ, "DISPLAY": display}, check=True, timeout=20)
            output, _ = child.communicate(timeout=60)
            assert child.returncode == 0
            assert int(output) > 0
        finally:
            child.kill()
            child.wait()


def stream_socket(stream: framering.Stream) -> str:
    with stream.latest() as frame:
        return frame.handle().socket


def test_where_there_is_no_display_auto_is_the_terminal(
    stream: framering.Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    assert _show._window() is None
    with pytest.raises(framering.InvalidArgument, match="there can be no window"):
        framering.show(stream, where="window")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert framering.show(stream, seconds=0.2) >= 1


def test_wrong_words_are_refused(stream: framering.Stream) -> None:
    with pytest.raises(framering.InvalidArgument, match='"auto", "window", "terminal"'):
        framering.show(stream, where="here")  # type: ignore[arg-type]
    with pytest.raises(framering.InvalidArgument, match="fps must be above 0"):
        framering.show(stream, fps=0)
    for name in ("count", "columns", "width"):
        with pytest.raises(framering.InvalidArgument, match=f"{name} must be at least 1, not 0"):
            framering.contact_sheet(stream, **{name: 0})


def test_a_contact_sheet_has_every_frame_with_its_damage(stream: framering.Stream) -> None:
    stream.next().release()  # the first one may be as the one before it
    sheet = framering.contact_sheet(stream, 5, columns=3, width=64)
    assert sheet.mode == "RGB"
    assert sheet.size == (3 * 70 + 6, 2 * (48 + 14 + 6) + 6)
    pixels = np.asarray(sheet)
    for number in range(5):
        row, column = divmod(number, 3)
        top, left = 6 + row * 68, 6 + column * 70
        cell = pixels[top : top + 48, left : left + 64]
        # A test source changes everything: the outline is the edge.
        assert (cell[0] == (255, 40, 40)).all()
        assert (cell[:, 63] == (255, 40, 40)).all()
        assert len(np.unique(cell.reshape(-1, 3), axis=0)) > 10, "a picture"
        assert (pixels[top + 48 : top + 62, left : left + 64] > 200).any(), "a caption"
    assert (pixels[6 + 68 :, 6 + 2 * 70 :] == (24, 24, 28)).all(), "no sixth"


def test_a_contact_sheet_marks_the_pointer(start_daemon: Callable[..., Daemon]) -> None:
    with desktop("64x48x24", "#000000") as display:
        socket = start_daemon("--source", "screen", "--display", display).socket
        place = ["xdotool", "mousemove", "20", "30"]
        subprocess.run(place, env={**os.environ, "DISPLAY": display}, check=True, timeout=20)
        with framering.open(cursor="metadata", socket=socket) as stream:
            pixels = np.asarray(framering.contact_sheet(stream, 1, width=64))
    cell = pixels[6:54, 6:70]
    assert (cell[30, 16:25] == (60, 255, 60)).all()
    assert (cell[26:35, 20] == (60, 255, 60)).all()


def test_a_contact_sheet_of_a_still_desktop_ends_when_no_more_comes(still_socket: str) -> None:
    with framering.open(STILL, socket=still_socket) as stream:
        stream.latest(timeout=20).release()
        assert framering.contact_sheet(stream, 3, width=64, timeout=0.1).size[1] < 70
