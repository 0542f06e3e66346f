"""Windows of real programs, under a window manager, with and without a compositing manager."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import framering
import pytest
from programs_x11 import Session, assert_shows, read_to_end, session, start_compositor, start_window_manager
from screens import desktop


@pytest.fixture(params=["no compositor", "picom", "xcompmgr"])
def managed(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Under openbox; with a compositing manager, too."""
    with desktop("800x600x24", "#204060") as display, session(display) as running:
        start_window_manager(running)
        start_compositor(running, request.param)
        yield running


@pytest.fixture
def stream_of(managed: Session, start_daemon: Callable[..., Any]) -> Callable[[str], framering.Stream]:
    socket = start_daemon("--source", "test:8x1@1", "--display", managed.display).socket
    return lambda source: framering.open(source, socket=socket)


def start_xterm(desktop: Session, *options: str) -> int:
    """An xterm that has printed something; its window."""
    text = "seq 1 200; printf '\\033[41mred\\033[0m'; exec sleep 1000"
    desktop.start("xterm", "-T", "term", "-geometry", "60x20+50+40", *options, "-e", "sh", "-c", text)
    return desktop.window("--name", "^term$")


def next_of_size(stream: framering.Stream, size: tuple[int, int]) -> framering.Frame:
    """The first frame of this width and height; each on the way has the pixels that its size says."""
    while True:
        frame = stream.next(timeout=30)
        assert frame.numpy().shape[:2] == (frame.height, frame.width)
        if (frame.width, frame.height) == size:
            return frame
        frame.release()


def test_programs_show_the_right_pixels_covered_and_partly_outside(
    managed: Session, stream_of: Callable[[str], framering.Stream]
) -> None:
    term = start_xterm(managed)
    gears = managed.start("glxgears", "-geometry", "200x150+300+200")
    managed.start("zenity", "--info", "--title", "dialog", "--text", "What GTK draws")
    windows = {
        term: None,
        managed.window("--name", "^glxgears$"): gears,
        managed.window("--name", "^dialog$"): None,
    }
    streams = {window: stream_of(f"window:{window:#x}") for window in windows}
    screen = stream_of("screen")
    for cover in windows:
        managed.run("xdotool", "windowraise", cover)
        for window, drawing in windows.items():
            # A program that draws all the time is held for the moment of looking.
            if drawing:
                drawing.send_signal(signal.SIGSTOP)
            assert_shows(streams[window], managed.x, window)
            if drawing:
                drawing.send_signal(signal.SIGCONT)
    for place in ((-80, -60), (700, 500), (100, 100)):
        managed.run("xdotool", "windowmove", "--sync", term, *place)
        assert_shows(streams[term], managed.x, term)
    gears.send_signal(signal.SIGSTOP)
    assert_shows(screen, managed.x)
    assert screen.shape == (600, 800, 4)


def test_a_program_that_draws_without_end_is_followed(
    managed: Session, stream_of: Callable[[str], framering.Stream]
) -> None:
    gears = managed.start("glxgears", "-geometry", "200x150+300+200")
    window = managed.window("--name", "^glxgears$")
    stream = stream_of(f"window:{window:#x}")
    last = stream.next(timeout=30).sequence
    for _ in range(20):
        frame = stream.next(timeout=30)
        assert frame.sequence > last
        assert frame.damage
        last = frame.sequence
        frame.release()
    gears.send_signal(signal.SIGSTOP)
    assert_shows(stream, managed.x, window)


@pytest.mark.parametrize("where", ["minimised", "on another workspace"])
def test_a_window_that_is_not_shown_keeps_its_last_content_and_comes_back(
    managed: Session, stream_of: Callable[[str], framering.Stream], where: str
) -> None:
    window = start_xterm(managed)
    stream = stream_of(f"window:{window:#x}")
    last = assert_shows(stream, managed.x, window)
    if where == "minimised":
        managed.run("xdotool", "windowminimize", "--sync", window)
    else:
        managed.run("xdotool", "set_desktop_for_window", window, 1)
    managed.wait_for(lambda: managed.x.grab(window) is None)
    with stream.wait_until(timeout=30) as frame:
        assert (frame.numpy()[..., :3] == last[..., :3]).all()
    if where == "minimised":
        managed.run("xdotool", "windowmap", "--sync", window)
    else:
        managed.run("xdotool", "set_desktop", 1)
    managed.wait_for(lambda: managed.x.grab(window) is not None)
    assert_shows(stream, managed.x, window)


def test_a_resized_window_is_a_new_epoch_with_whole_frames(
    managed: Session, stream_of: Callable[[str], framering.Stream]
) -> None:
    window = start_xterm(managed, "-xrm", "XTerm*allowWindowOps: true")
    stream = stream_of(f"window:{window:#x}")
    epoch = stream.next(timeout=30).epoch
    for size in ((500, 300), (200, 100), (640, 480)):
        managed.run("xdotool", "windowsize", "--sync", window, *size)
        # xterm keeps to whole characters.
        true_size = managed.wait_for(lambda: managed.x.size(window))
        frame = next_of_size(stream, true_size)
        assert frame.epoch > epoch
        epoch = frame.epoch
        frame.release()
        assert_shows(stream, managed.x, window)


def test_a_closed_window_ends_its_stream_with_the_reason(
    managed: Session, stream_of: Callable[[str], framering.Stream]
) -> None:
    window = start_xterm(managed)
    stream = stream_of("window:title=^term$")
    stream.next(timeout=30).release()
    managed.run("xdotool", "windowclose", window)
    with pytest.raises(framering.StreamEnded, match=r'"term".* was closed'):
        read_to_end(stream)


def test_the_active_window_is_what_the_window_manager_says(
    managed: Session, stream_of: Callable[[str], framering.Stream]
) -> None:
    term = start_xterm(managed)
    managed.start("zenity", "--info", "--title", "dialog", "--text", "What GTK draws")
    dialog = managed.window("--name", "^dialog$")
    managed.run("xdotool", "windowactivate", "--sync", term)
    stream = stream_of("window:active")
    for window in (term, dialog, term):
        managed.run("xdotool", "windowactivate", "--sync", window)
        managed.wait_for(lambda shown=window: stream.wait_until().shape[1::-1] == managed.x.size(shown))
        assert_shows(stream, managed.x, window)
