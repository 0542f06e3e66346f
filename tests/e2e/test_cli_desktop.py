"""Monitors and windows as `framering list` and Python tell them, beside what X programs say of the same."""

import contextlib
import io
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import framering
import numpy as np
import pytest
from desktop import start_server
from PIL import Image
from processes import Process, Processes
from programs import ENV, STILL, command, run, start_daemon, wait_until
from xlib import xlib


class Screen:
    """An X server with a daemon, and openbox if it is wanted."""

    def __init__(self, processes: Processes, folder: Path, *, managed: bool = True) -> None:
        self.processes = processes
        self.server, self.display = start_server(processes, "800x600x24")
        self.env = {**ENV, "DISPLAY": self.display}
        if managed:
            processes.start("openbox", ["openbox", "--sm-disable"], env={"DISPLAY": self.display})
            wait_until(lambda: "window id" in self.xprop("-root", "_NET_SUPPORTING_WM_CHECK"))
        self.socket = folder / "socket"
        self.daemon = start_daemon(processes, self.socket, "--display", self.display)

    def run(self, *words: str, check: bool = True) -> str:
        return str(run(*words, env=self.env, check=check).stdout)

    def xprop(self, *words: str) -> str:
        return self.run("xprop", *words, check=False)

    def xterm(self, title: str, *options: str) -> tuple[Process, int]:
        """A terminal, and its window's id as xdotool finds it."""
        words = ["xterm", "-T", title, "-e", "sleep", "600"]
        words[1:1] = options
        child = self.processes.start("xterm", words, env={"DISPLAY": self.display, "LC_ALL": "C.UTF-8"})
        self.run("xdotool", "search", "--sync", "--onlyvisible", "--name", re.escape(title))
        found = self.run("xdotool", "search", "--onlyvisible", "--name", re.escape(title))
        return child, int(found.split()[-1])

    def listed(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(command(self.socket, "list", "--json").stdout)
        return told

    def window(self, id: int) -> dict[str, Any]:
        return next((window for window in self.listed()["windows"] if window["id"] == id), {})


@pytest.fixture
def screen(processes: Processes, tmp_path: Path) -> Screen:
    return Screen(processes, tmp_path)


def shell_geometry(screen: Screen, id: int) -> tuple[int, int, int, int]:
    """As xwininfo tells it; its upper left corner is that of the border."""
    told = screen.run("xwininfo", "-id", str(id))
    found = (
        re.search(rf"{name}: +(-?\d+)", told)
        for name in ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height", "Border width")
    )
    x, y, width, height, border = (int(match[1]) for match in found if match)
    return x + border, y + border, width, height


def test_a_window_is_told_as_x_programs_tell_it(screen: Screen) -> None:
    child, id = screen.xterm(
        "Ünïcode ☃ title", "-class", "MyTerm", "-name", "myname", "-geometry", "20x5+100+80"
    )
    wait_until(lambda: bool(screen.window(id).get("active")))
    window = screen.window(id)
    assert (window["title"], window["class"], window["instance"]) == ("Ünïcode ☃ title", "MyTerm", "myname")
    told_pid = re.search(r"= (\d+)", screen.xprop("-id", str(id), "_NET_WM_PID"))
    assert told_pid
    assert window["pid"] == int(told_pid[1])
    assert (window["x"], window["y"], window["width"], window["height"]) == shell_geometry(screen, id)
    assert (window["mapped"], window["minimised"], window["workspace"]) == (True, False, 0)
    assert window["source"] == f"window:{id:#x}"
    child.child.terminate()
    wait_until(lambda: not screen.window(id))


def test_states_follow_the_window_manager(screen: Screen) -> None:
    _, below = screen.xterm("below")
    _, above = screen.xterm("above")
    wait_until(lambda: bool(screen.window(above).get("active")))
    assert [window["id"] for window in screen.listed()["windows"]] == [above, below]
    stacking = screen.xprop("-root", "_NET_CLIENT_LIST_STACKING")
    assert [int(id, 16) for id in re.findall(r"0x[0-9a-f]+", stacking)] == [below, above]
    screen.run("xdotool", "windowactivate", str(below))
    wait_until(lambda: [window["id"] for window in screen.listed()["windows"]] == [below, above])
    screen.run("xdotool", "windowminimize", str(above))
    wait_until(lambda: screen.window(above)["minimised"])
    assert not screen.window(above)["active"]
    screen.run("xdotool", "set_desktop_for_window", str(below), "1")
    wait_until(lambda: screen.window(below)["workspace"] == 1)


def test_without_a_window_manager_the_roots_children_are_told(processes: Processes, tmp_path: Path) -> None:
    screen = Screen(processes, tmp_path, managed=False)
    _, id = screen.xterm("bare", "-geometry", "20x5+30+40")
    window = screen.window(id)
    assert (window["title"], window["mapped"], window["workspace"]) == ("bare", True, None)
    assert (window["x"], window["y"], window["width"], window["height"]) == shell_geometry(screen, id)


def test_monitors_are_those_of_xrandr(screen: Screen) -> None:
    for monitor in ("LEFT 300/60x600/120+0+0 screen", "RIGHT 500/100x600/120+300+0 none"):
        name, geometry, output = monitor.split()
        screen.run("xrandr", "--setmonitor", name, geometry, output)
    listing = screen.run("xrandr", "--listactivemonitors")
    told = re.findall(r"^ \d+: [+*]*(\S+) (\d+)/(\d+)x(\d+)/(\d+)([+-]\d+)([+-]\d+)", listing, re.M)
    assert {name for name, *_ in told} == {"LEFT", "RIGHT"}
    monitors = screen.listed()["monitors"]
    assert {
        (m["name"], m["width"], m["width_mm"], m["height"], m["height_mm"], m["x"], m["y"]) for m in monitors
    } == {(name, *map(int, numbers)) for name, *numbers in told}
    assert [monitor["source"] for monitor in monitors] == ["monitor:LEFT", "monitor:RIGHT"]
    rate = re.search(r"(\d+\.\d+)\*", screen.run("xrandr"))
    assert rate
    left = monitors[0]
    assert left["output"] == "screen"
    assert round(left["refresh_hz"], 2) == pytest.approx(float(rate[1]), abs=0.01)
    assert left["scale"] == 1
    screen.run("bash", "-c", "echo 'Xft.dpi: 192' | xrdb -merge")
    wait_until(lambda: screen.listed()["monitors"][0]["scale"] == 2)


@pytest.mark.parametrize("flags", [[], ["interlace"]])
def test_a_mode_of_ones_own_is_told_with_its_refresh_rate(screen: Screen, flags: list[str]) -> None:
    timing = (640, 664, 704, 832, 480, 489, 492, 520)
    screen.run("xrandr", "--newmode", "own", "31.5", *map(str, timing), *flags)
    screen.run("xrandr", "--addmode", "screen", "own")
    screen.run("xrandr", "--output", "screen", "--mode", "own")
    wait_until(lambda: screen.listed()["monitors"][0]["width"] == 640)
    rate = re.search(r"(\d+\.\d+)\*", screen.run("xrandr"))
    assert rate
    assert screen.listed()["monitors"][0]["refresh_hz"] == pytest.approx(float(rate[1]), abs=0.005)


def test_text_shows_a_table_of_each(screen: Screen) -> None:
    _, id = screen.xterm("in a table")
    _, monitors, windows = command(screen.socket, "list").stdout.split("\n\n")
    assert monitors.splitlines()[0].split() == ["MONITOR", "SIZE", "PLACE", "PRIMARY", "MODEL", "HZ", "SCALE"]
    assert monitors.splitlines()[1].split()[:3] == ["monitor:screen", "800x600", "0,0"]
    names = ["WINDOW", "SIZE", "PLACE", "STATE", "WORKSPACE", "PID", "CLASS", "TITLE"]
    assert windows.splitlines()[0].split() == names
    row = windows.splitlines()[1]
    assert row.startswith(f"window:{id:#x}  ")
    assert row.endswith("  XTerm  in a table")


@pytest.mark.parametrize("title", ["Grüße £5", "Grüße ☃"])
def test_a_title_without_a_utf8_property_is_read_by_its_own_rules(screen: Screen, title: str) -> None:
    """STRING is ISO 8859-1; COMPOUND_TEXT holds other characters as segments of UTF-8."""
    _, id = screen.xterm("to be renamed")
    raw = b"".join(c.encode("latin-1") if c < "\u0100" else b"\x1b%G" + c.encode() + b"\x1b%@" for c in title)
    set_title(screen, id, raw)
    wait_until(lambda: screen.window(id)["title"] == title)


def set_title(screen: Screen, id: int, title: bytes) -> None:
    """As raw bytes, which no toolkit would let through."""
    screen.run("xprop", "-id", str(id), "-remove", "_NET_WM_NAME")
    words = ["xprop", "-id", str(id), "-f", "WM_NAME", "8s", "-set", "WM_NAME"]
    subprocess.run([*map(str.encode, words), title], env=screen.env, check=True, timeout=20)


def test_a_hostile_title_reaches_no_terminal_and_is_json(screen: Screen) -> None:
    _, id = screen.xterm("harmless")
    set_title(screen, id, b"\x1b]0;owned\x07\x1b[2J \xff\xfe \xc2\x9b31m \xe2\x82 end\n" + b"x" * 5000)
    wait_until(lambda: screen.window(id)["title"].startswith("?]0;owned?"))
    title = screen.window(id)["title"]
    assert len(title.encode()) <= 256
    raw = command(screen.socket, "list", text=False).stdout
    assert b"\x1b" not in raw
    assert b"\x07" not in raw
    assert raw.decode("utf-8").count("?]0;owned?") == 1
    assert all(character.isprintable() or character == "\n" for character in raw.decode())
    with framering.connect(screen.socket) as connection:
        assert connection.windows()[0].title == title


# --- watching ---


@contextlib.contextmanager
def watched(screen: Screen) -> Iterator[Callable[[], dict[str, Any]]]:
    """`list --watch --json`, and its next line."""
    words = ["framering", "--socket", str(screen.socket), "list", "--watch", "--json"]
    with subprocess.Popen(words, env=ENV, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield lambda: json.loads(child.stdout.readline() if child.stdout else "")
            child.send_signal(signal.SIGINT)
            assert child.wait(20) == 0
        finally:
            child.kill()


def until(next_line: Callable[[], dict[str, Any]], condition: Callable[[dict[str, Any]], bool]) -> None:
    end = time.monotonic() + 20
    while not condition(next_line()):
        assert time.monotonic() < end


def test_watch_tells_of_each_change_as_a_line_of_json(screen: Screen) -> None:
    with watched(screen) as next_line:
        assert next_line()["windows"] == []
        _, id = screen.xterm("watched")

        def titles(told: dict[str, Any]) -> list[str]:
            return [window["title"] for window in told["windows"]]

        until(next_line, lambda told: titles(told) == ["watched"])
        screen.run("xdotool", "set_window", "--name", "renamed", str(id))
        until(next_line, lambda told: titles(told) == ["renamed"])
        screen.run("xdotool", "windowmove", str(id), "200", "150")
        until(next_line, lambda told: told["windows"][0]["x"] >= 200)
        screen.run("xdotool", "windowminimize", str(id))
        until(next_line, lambda told: told["windows"][0]["minimised"])
        with framering.open("test:64x48@1", socket=screen.socket):
            until(next_line, lambda told: [s["source"] for s in told["streams"]][-1] == "test:64x48@1")
        screen.run("xrandr", "--setmonitor", "PART", "400/80x300/60+0+0", "screen")
        until(next_line, lambda told: [m["name"] for m in told["monitors"]] == ["PART"])
        screen.run("xdotool", "windowkill", str(id))
        until(next_line, lambda told: titles(told) == [])


def test_watch_outlives_the_x_server_and_says_when_it_is_back(processes: Processes, tmp_path: Path) -> None:
    screen = Screen(processes, tmp_path, managed=False)
    with watched(screen) as next_line:
        assert next_line()["desktop"]["display"] == screen.display
        screen.server.child.kill()
        screen.server.child.wait()
        until(next_line, lambda told: told["desktop"] is None and bool(told["no_desktop"]))
        arguments = ["-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]
        processes.start("Xvfb", ["Xvfb", screen.display, *arguments])
        until(next_line, lambda told: (told["desktop"] or {}).get("width") == 640)


def test_where_nobody_lists_the_daemon_keeps_no_connection(processes: Processes, tmp_path: Path) -> None:
    server, display = start_server(processes, "320x200x24")
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--display", display, "--source", STILL)

    def connections() -> int:
        return len(list(Path(f"/proc/{server.child.pid}/fd").iterdir()))

    before = connections()
    assert json.loads(command(socket, "list", "--json").stdout)["desktop"]["display"] == display
    wait_until(lambda: connections() == before)
    with framering.connect(socket) as connection, connection.watch_desktop() as watch:
        watch.next()
        assert connections() == before + 1
        with pytest.raises(TimeoutError):
            watch.next(3)
        assert connections() == before + 1
    wait_until(lambda: connections() == before)


def test_list_on_a_terminal_shows_the_picture_anew_and_ends_with_q(screen: Screen) -> None:
    words = ["framering", "--socket", str(screen.socket), "list", "--watch"]
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(words[0], words, {**ENV, "TERM": "xterm"})
    shown = ""

    def read_until(text: str) -> None:
        nonlocal shown
        end = time.monotonic() + 20
        while text not in shown:
            assert time.monotonic() < end, shown
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 65536).decode()

    try:
        read_until("monitor:screen")
        screen.xterm("titled")
        read_until("titled")
        os.write(terminal, b"q")
        read_until("\x1b[?1049l")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        os.close(terminal)


# --- what grab and watch make of it ---


def seen(screen: Screen, window: str) -> Any:
    """What ImageMagick reads of a window, as 8-bit RGB."""
    picture = run("import", "-display", screen.display, "-window", window, "png:-", text=False).stdout
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"))


def grabbed(screen: Screen, *arguments: str) -> Any:
    result = command(screen.socket, "grab", *arguments, "-o", "-", text=False)
    assert result.returncode == 0, result.stderr
    with Image.open(io.BytesIO(result.stdout)) as image:
        return np.asarray(image)


def test_grab_finds_a_window_by_a_part_of_its_title_or_class(screen: Screen) -> None:
    _, id = screen.xterm("Inbox - Mail", "-bg", "#204060", "-class", "Mailer", "-geometry", "20x5+10+10")
    _, other = screen.xterm("notes", "-bg", "#406020", "-geometry", "20x5+400+300")
    wait_until(lambda: bool(screen.window(other).get("active")))

    def is_seen(*words: str) -> bool:
        before, picture, after = seen(screen, hex(id)), grabbed(screen, *words), seen(screen, hex(id))
        if (before != after).any():
            return False  # it was still drawing
        assert (picture == before).all(), words
        return True

    for words in (["--window", "inbox"], ["--window", "MAILER"], ["--window", hex(id)], [f"window:{id:#x}"]):
        wait_until(lambda words=words: is_seen(*words))  # type: ignore[misc]


def test_a_window_with_alpha_keeps_it(processes: Processes, tmp_path: Path) -> None:
    screen = Screen(processes, tmp_path, managed=False)
    chance = random.Random(32)
    with xlib(screen.display) as x:
        window = x.create_with_alpha(30, 20, 200, 100)
        x.map(window)
        for _ in range(200):
            place = [chance.randrange(size) for size in (200, 100)]
            alpha = chance.randrange(256)
            argb = bytes([alpha, *(chance.randrange(alpha + 1) for _ in range(3))])
            x.clear(
                window, *place, chance.randrange(1, 60), chance.randrange(1, 40), int.from_bytes(argb, "big")
            )
        x.sync()
        truth = x.grab(window)
        with framering.open(f"window:{window:#x}", socket=screen.socket) as stream:
            frame = stream.wait_until(timeout=20)
            assert (frame.format, frame.shape) == ("BGRA8888", (100, 200, 4))
            assert (frame.numpy() == truth).all(), "premultiplied, as X has it"
        picture = grabbed(screen, "--window", hex(window))
    assert (picture[..., 3] == truth[..., 3]).all()
    alpha = truth[..., 3:].astype(float)
    colors = np.divide(truth[..., 2::-1] * 255.0, alpha, out=np.zeros((100, 200, 3)), where=alpha > 0)
    assert (picture[..., :3] == np.floor(colors + 0.5)).all()


def test_grab_names_a_monitor_or_a_region(screen: Screen) -> None:
    screen.run("xsetroot", "-mod", "7", "5", "-fg", "#f08030", "-bg", "#1a2b3c")
    screen.run("xrandr", "--setmonitor", "LEFT", "300/60x600/120+0+0", "screen")
    screen.run("xrandr", "--setmonitor", "RIGHT", "500/100x600/120+300+0", "none")
    root = seen(screen, "root")
    assert (grabbed(screen, "--monitor", "2") == root[:, 300:]).all()
    assert (grabbed(screen, "--monitor", "LEFT") == root[:, :300]).all()
    assert (grabbed(screen, "--region", "10,20,64x48") == root[20:68, 10:74]).all()


def test_a_window_that_is_none_or_one_of_several_is_refused_with_those_there_are(screen: Screen) -> None:
    _, first = screen.xterm("first terminal")
    _, second = screen.xterm("second terminal")
    for name in ("grab", "watch"):
        output = ["-o", "-"] if name == "grab" else []
        several = command(screen.socket, name, "--window", "terminal", *output)
        assert (several.returncode, several.stdout) == (2, "")
        assert '2 windows match "terminal": ' in several.stderr
        assert f'{first:#x} "first terminal"' in several.stderr
        assert f'{second:#x} "second terminal"' in several.stderr
        none = command(screen.socket, name, "--window", "browser", *output)
        assert (none.returncode, none.stdout) == (1, "")
        assert 'no window has "browser"' in none.stderr
        assert f'{first:#x} "first terminal"' in none.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["window:title=("], 2, "the title's pattern is none"),
        (["window:title=("], 2, "write window:0xID, window:title=REGEX"),
        (["--region", "0,0,0x10"], 2, "size 0x10 is out of range"),
        (["--region", "0,0,10x0"], 2, "size 10x0 is out of range"),
        (["--region", "nowhere"], 2, "this is no place and size"),
        (["--region", "800,0,10x10"], 3, "nothing of it is on the desktop"),
        (["--monitor", "7"], 1, "there is no monitor 7"),
        (["--monitor", "0"], 2, "monitors count from 1"),
        (["--window", "0x7777777"], 1, "no window has the id 0x7777777"),
        (["--window", "x", "screen"], 2, "excludes"),
        (["--window", "x", "--monitor", "1"], 2, "excludes"),
    ],
)
def test_bad_input_says_what_is_wrong(
    processes: Processes, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    screen = Screen(processes, tmp_path, managed=False)
    result = command(screen.socket, "grab", *arguments, "-o", "-")
    assert (result.returncode, result.stdout) == (code, "")
    assert says in result.stderr


def test_a_window_that_dies_between_list_and_open_is_told_as_gone(screen: Screen) -> None:
    child, id = screen.xterm("short-lived")
    with framering.connect(screen.socket) as connection:
        (window,) = connection.windows()
        child.child.kill()
        child.child.wait()
        wait_until(lambda: f"{id:#x}" not in screen.xprop("-root", "_NET_CLIENT_LIST"))
        with pytest.raises(framering.NotFound, match=f"no window has the id {id:#x}"):
            connection.open(window.source)


@pytest.mark.parametrize(
    ("extension", "withheld", "works"),
    [
        ("RANDR", {"monitors": "lacks the extension RANDR 1.5"}, ["screen", "region:0,0,64x48"]),
        ("Composite", {}, ["screen", "monitor:1"]),
    ],
)
def test_a_missing_extension_is_named_and_the_rest_goes_on(
    processes: Processes, tmp_path: Path, extension: str, withheld: dict[str, str], works: list[str]
) -> None:
    read, write = os.pipe()
    arguments = ["-screen", "0", "320x200x24", "-nolisten", "tcp", "-noreset", "-extension", extension]
    with os.fdopen(read) as number:
        processes.start("Xvfb", ["Xvfb", "-displayfd", str(write), *arguments], pass_fds=[write])
        os.close(write)
        display = ":" + number.readline().strip()
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--display", display, "--source", STILL)
    with framering.connect(socket) as connection:
        desktop = connection.desktop()
        assert withheld.get("monitors", "") in desktop.monitors_withheld
        assert bool(desktop.monitors) == ("monitors" not in withheld)
        assert desktop.windows == connection.windows() == []
        if "monitors" in withheld:
            with pytest.raises(framering.Unavailable, match=withheld["monitors"]):
                connection.monitors()
    for source in works:
        assert command(socket, "grab", source, "-o", tmp_path / "picture.png").returncode == 0
