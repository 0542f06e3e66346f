"""Windows of real programs, under a window manager, with and without a compositing manager."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import framering
import pytest
from programs_x11 import Session, assert_shows, read_to_end, session, start_compositor, start_window_manager
from screens import desktop
from xlib import xlib

StreamOf = Callable[[str], framering.Stream]
Program = subprocess.Popen[bytes]


@contextlib.contextmanager
def managed_session(compositor: str = "") -> Iterator[Session]:
    """Under openbox; with a compositing manager, too."""
    with desktop("800x600x24", "#204060") as display, session(display) as running:
        start_window_manager(running)
        start_compositor(running, compositor)
        yield running


@pytest.fixture
def managed() -> Iterator[Session]:
    with managed_session() as running:
        yield running


@pytest.fixture(params=["no compositor", "picom", "xcompmgr"])
def composed(request: pytest.FixtureRequest) -> Iterator[Session]:
    with managed_session(request.param) as running:
        yield running


@pytest.fixture
def start_streams(start_daemon: Callable[..., Any]) -> Callable[[Session], StreamOf]:
    def start(running: Session) -> StreamOf:
        socket = start_daemon("--source", "test:8x1@1", "--display", running.display).socket
        return lambda source: framering.open(source, socket=socket)

    return start


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
    composed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(composed)
    term = start_xterm(composed)
    gears = composed.start("glxgears", "-geometry", "200x150+300+200")
    composed.start("zenity", "--info", "--title", "dialog", "--text", "What GTK draws")
    windows = [term, composed.window("--name", "^glxgears$"), composed.window("--name", "^dialog$")]
    streams = {window: stream_of(f"window:{window:#x}") for window in windows}
    screen = stream_of("screen")
    for cover in windows:
        composed.run("xdotool", "windowraise", cover)
        with composed.held(gears):
            for window in windows:
                assert_shows(streams[window], composed.x, window)
    for place in ((-80, -60), (700, 500), (100, 100)):
        composed.run("xdotool", "windowmove", "--sync", term, *place)
        assert_shows(streams[term], composed.x, term)
    with composed.held(gears):
        assert_shows(screen, composed.x)
    assert screen.shape == (600, 800, 4)


def test_a_program_that_draws_without_end_is_followed(
    managed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(managed)
    gears = managed.start("glxgears", "-geometry", "200x150+300+200")
    window = managed.window("--name", "^glxgears$")
    stream = stream_of(f"window:{window:#x}")
    assert_follows(stream, managed, gears, window)


def assert_follows(stream: framering.Stream, desktop: Session, drawing: Program, window: int) -> None:
    """A window that is drawn to all the time: frame after frame comes, and a held one has its pixels."""
    last = stream.next(timeout=30).sequence
    for _ in range(20):
        with stream.next(timeout=30) as frame:
            assert frame.sequence > last
            assert frame.damage
            last = frame.sequence
    with desktop.held(drawing):
        assert_shows(stream, desktop.x, window)


PAGE = """<!DOCTYPE html><title>animation</title><style>
body { background: #204060 }
div { width: 90px; height: 90px; background: #e9c46a; animation: slide 1s linear infinite alternate }
@keyframes slide { to { transform: translateX(240px) rotate(90deg); background: #2a9d8f } }
</style><div></div>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="there is no chromium")
def test_a_browsers_animated_page_is_followed(
    composed: Session, start_streams: Callable[[Session], StreamOf], tmp_path: Path
) -> None:
    stream_of = start_streams(composed)
    page = tmp_path / "page.html"
    page.write_text(PAGE)
    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--window-position=60,40", "--window-size=500,400", f"--user-data-dir={tmp_path / 'profile'}"]
    browser = composed.start("chromium", *options, f"--app={page.as_uri()}")
    window = composed.window("--name", "^animation$")
    with stream_of("window:class=Chromium") as stream:
        assert_follows(stream, composed, browser, window)
        cover = start_xterm(composed)
        composed.run("xdotool", "windowraise", cover)
        assert_follows(stream, composed, browser, window)


def test_a_window_that_is_not_shown_keeps_its_last_content_and_comes_back(
    composed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(composed)
    window = start_xterm(composed)
    stream = stream_of(f"window:{window:#x}")
    for hide, show in (
        (("windowminimize", window), ("windowmap", window)),
        (("set_desktop_for_window", window, 1), ("set_desktop", 1)),
    ):
        last = assert_shows(stream, composed.x, window)
        assert not stream.stale
        composed.run("xdotool", *hide)
        composed.wait_for(lambda: composed.x.grab(window) is None)
        composed.wait_for(lambda: stream.stale)
        assert not stream.wait_live(0)
        with stream.wait_until(timeout=30) as frame:
            assert (frame.numpy()[..., :3] == last[..., :3]).all()
        with ThreadPoolExecutor() as threads:
            lives = threads.submit(stream.wait_live, 30)
            composed.run("xdotool", *show)
            assert lives.result()
        composed.wait_for(lambda: composed.x.grab(window) is not None)
        assert not stream.stale
        assert_shows(stream, composed.x, window)


def test_a_window_manager_may_hide_the_frame_alone(start_daemon: Callable[..., Any]) -> None:
    with desktop("640x480x24", "#204060") as display, xlib(display) as x:
        frame = x.create(10, 10, 220, 120, 0x808080)
        window = x.create(10, 10, 200, 100, 0xFF0000, parent=frame)
        other = x.create(0, 0, 220, 120, 0x008000)
        for each in (window, frame):
            x.map(each)
        x.sync()
        socket = start_daemon("--source", "test:8x1@1", "--display", display).socket
        with framering.open(f"window:{window:#x}", socket=socket) as stream:
            for color in (0x123456, 0x654321, 0x0F0F0F):
                x.fill(window, 20, 20, 50, 50, color)
                x.sync()
                last = assert_shows(stream, x, window)
                x.unmap(frame)
                x.map(other)
                x.sync()
                assert x.grab(window) is None
                with stream.wait_until(timeout=30) as shown:
                    assert (shown.numpy()[..., :3] == last[..., :3]).all()
                x.unmap(other)
                x.map(frame)
                x.sync()
                assert_shows(stream, x, window)


def test_a_resized_window_is_a_new_epoch_with_whole_frames(
    composed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(composed)
    window = start_xterm(composed, "-xrm", "XTerm*allowWindowOps: true")
    stream = stream_of(f"window:{window:#x}")
    epoch = stream.next(timeout=30).epoch
    for size in ((500, 300), (200, 100), (640, 480)):
        composed.run("xdotool", "windowsize", "--sync", window, *size)
        # xterm keeps to whole characters.
        true_size = composed.wait_for(lambda: composed.x.size(window))
        frame = next_of_size(stream, true_size)
        assert frame.epoch > epoch
        epoch = frame.epoch
        frame.release()
        assert_shows(stream, composed.x, window)


def test_a_closed_window_ends_its_stream_with_the_reason(
    managed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(managed)
    window = start_xterm(managed)
    stream = stream_of("window:title=^term$")
    stream.next(timeout=30).release()
    managed.run("xdotool", "windowclose", window)
    with pytest.raises(framering.StreamEnded, match=r'"term".* was closed'):
        read_to_end(stream)


def test_the_active_window_is_what_the_window_manager_says(
    managed: Session, start_streams: Callable[[Session], StreamOf]
) -> None:
    stream_of = start_streams(managed)
    term = start_xterm(managed)
    managed.start("zenity", "--info", "--title", "dialog", "--text", "What GTK draws")
    dialog = managed.window("--name", "^dialog$")
    managed.run("xdotool", "windowactivate", "--sync", term)
    stream = stream_of("window:active")
    for window in (term, dialog, term):
        managed.run("xdotool", "windowactivate", "--sync", window)
        managed.wait_for(lambda shown=window: stream.wait_until().shape[1::-1] == managed.x.size(shown))
        assert_shows(stream, managed.x, window)
