"""A desktop that its session hands to a daemon of another user, who can read no cookie of it."""

import io
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import framering
import pytest
from PIL import Image
from processes import Process, Processes
from programs import ENV, run, wait_until

SERVICE, DESK, READER = 65531, 65532, 65533  # whose daemon it is, whose desktop, and who reads it
COOKIE = "0123456789abcdef0123456789abcdef"
RED, GREEN = "#c81e32", "#006400"
POLICY = f"""
display = "session"
[[policy]]
uids = [{DESK}]
sources = ["*"]
display = true
[[policy]]
uids = [{READER}]
sources = ["screen"]
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


def as_user(uid: int, *words: object) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *map(str, words)]


def says(helper: Process, text: str) -> bool:
    """Whether it does, within 20 s."""
    assert helper.child.stderr
    limit = threading.Timer(20, helper.child.kill)
    limit.start()
    try:
        return any(text in line for line in helper.child.stderr)
    finally:
        limit.cancel()


class Desktop:
    """An X server that lets in who has the cookie, which only its user can read."""

    def __init__(self, processes: Processes, folder: Path, color: str) -> None:
        folder.mkdir()
        self.authority = folder / "authority"
        self.add_cookie(":0")  # the server takes that of any display
        read, write = os.pipe()
        arguments = [
            "-screen",
            "0",
            "320x200x24",
            "-auth",
            str(self.authority),
            "-nolisten",
            "tcp",
            "-noreset",
        ]
        with os.fdopen(read) as number:
            command = ["Xvfb", "-displayfd", str(write), *arguments]
            self.server = processes.start("Xvfb", command, pass_fds=[write])
            os.close(write)
            self.display = ":" + number.readline().strip()
        self.add_cookie(self.display)
        os.chown(self.authority, DESK, DESK)
        self.env = {**ENV, "DISPLAY": self.display, "XAUTHORITY": str(self.authority)}
        self.paint(color)

    def add_cookie(self, display: str) -> None:
        assert run("xauth", "-f", self.authority, "add", display, ".", COOKIE).returncode == 0

    def paint(self, color: str) -> None:
        assert run("xsetroot", "-solid", color, env=self.env).returncode == 0


class Service:
    """The daemon, its user's own, and what others run against it."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        for place in (folder, *folder.parents[:3]):
            if place != Path("/tmp") and place.stat().st_uid == 0:
                place.chmod(place.stat().st_mode | 0o011)
        self.processes, self.folder = processes, folder / "run"
        self.folder.mkdir()
        os.chown(self.folder, SERVICE, SERVICE)
        self.socket, self.config = self.folder / "socket", folder / "framering.toml"
        self.config.write_text(POLICY)
        self.start()

    def start(self) -> None:
        program = Path(ENV["PATH"].split(":")[0]) / "frameringd"
        words = as_user(SERVICE, program, "--socket", self.socket, "--config", self.config)
        self.daemon = self.processes.start("frameringd", words, env={"DISPLAY": "", "XAUTHORITY": "/nowhere"})
        wait_until(lambda: run("framering", "--socket", self.socket, "list").returncode == 0)

    def hand_in(self, desktop: Desktop, uid: int = DESK) -> Process:
        words = as_user(uid, Path(ENV["PATH"].split(":")[0]) / "framering-session", "--socket", self.socket)
        return self.processes.start("framering-session", words, env=desktop.env, stderr=subprocess.PIPE)

    def stream(self) -> dict[str, Any]:
        told = json.loads(run("framering", "--socket", self.socket, "list", "--json").stdout)
        return dict(told["streams"][0])

    def grab(self, uid: int = READER) -> "subprocess.CompletedProcess[bytes]":
        program = Path(ENV["PATH"].split(":")[0]) / "framering"
        return run(*as_user(uid, program, "--socket", self.socket, "grab", "-o", "-"), text=False)

    def wait_until_captured(self, helper: Process, after_epoch: int = 0) -> None:
        """Until the daemon has what it hands in and captures it, which is in another epoch."""
        assert says(helper, ": handed in :"), "the helper ended"
        wait_until(lambda: self.stream()["available"] and self.stream()["epoch"] != after_epoch)

    def capture(self, desktop: Desktop) -> Process:
        epoch = self.stream()["epoch"]  # another desktop's, whose end is perhaps not noticed yet
        helper = self.hand_in(desktop)
        self.wait_until_captured(helper, epoch)
        return helper

    def color(self, uid: int = READER) -> str:
        """Of the whole desktop."""
        picture = self.grab(uid)
        assert picture.returncode == 0, picture.stderr
        with Image.open(io.BytesIO(picture.stdout)) as image:
            [(pixels, color)] = image.convert("RGB").getcolors()
            assert pixels == 320 * 200
            return "#{:02x}{:02x}{:02x}".format(*color)


@pytest.fixture
def service(processes: Processes, tmp_path: Path) -> Service:
    return Service(processes, tmp_path)


@pytest.fixture
def desktop(processes: Processes, service: Service, tmp_path: Path) -> Callable[[str], Desktop]:
    def start(color: str) -> Desktop:
        return Desktop(processes, tmp_path / color.strip("#"), color)

    return start


def test_a_desktop_whose_cookie_the_daemon_cannot_read_is_captured_once_it_is_handed_in(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    wait_until(lambda: "no session has handed in its desktop" in service.stream()["reason"])
    assert b"no session has handed in its desktop" in service.grab().stderr
    red = desktop(RED)
    service.capture(red)
    assert service.color() == RED
    red.paint(GREEN)
    assert service.color() == GREEN
    assert service.color(DESK) == GREEN, "its own user may read it"


def test_it_is_given_up_with_the_helper_and_its_readers_are_told(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    red = desktop(RED)
    helper = service.capture(red)
    assert service.color() == RED
    with framering.open(socket=service.socket) as stream:
        held = stream.next()
        pixels = bytes(held)
        helper.child.kill()
        with pytest.raises(framering.StreamEnded):
            stream.next(timeout=20)
        wait_until(lambda: "no session has handed in" in service.stream()["reason"])
        red.paint(GREEN)
        assert bytes(held) == pixels
    assert service.grab().returncode != 0
    service.capture(red)
    assert service.color() == GREEN


def test_a_second_desktop_never_takes_the_place_of_the_first(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    first = service.capture(desktop(RED))
    assert service.color() == RED
    second = service.hand_in(desktop(GREEN))
    assert says(second, f"the desktop of user {DESK} is handed in already; trying again")
    assert service.color() == RED
    epoch = service.stream()["epoch"]
    first.child.send_signal(signal.SIGTERM)
    assert first.child.wait(20) == 0
    service.wait_until_captured(second, epoch)
    assert service.color() == GREEN


def test_who_has_no_rule_for_it_may_not_hand_one_in(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    refused = service.hand_in(desktop(RED), uid=READER)
    assert refused.child.wait(20) == 1
    assert refused.child.stderr
    assert f"does not let user {READER} hand in a desktop" in refused.child.stderr.read()
    assert not service.stream()["available"]


def test_a_rule_that_is_withdrawn_takes_the_desktop_along(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    helper = service.capture(desktop(RED))
    assert service.color() == RED
    service.config.write_text(POLICY.replace("display = true", "display = false"))
    assert run("framering", "--socket", service.socket, "reload").returncode == 0
    assert helper.child.wait(20) == 1
    wait_until(lambda: not service.stream()["available"])


def test_the_next_daemon_is_given_the_desktop_anew(
    service: Service, desktop: Callable[[str], Desktop]
) -> None:
    helper = service.capture(desktop(RED))
    assert service.color() == RED
    service.daemon.child.kill()
    service.daemon.child.wait(20)
    service.start()
    service.wait_until_captured(helper)
    assert service.color() == RED


def test_the_helper_ends_with_its_x_server(service: Service, desktop: Callable[[str], Desktop]) -> None:
    red = desktop(RED)
    helper = service.capture(red)
    assert service.color() == RED
    red.server.child.kill()
    assert helper.child.wait(20) == 0
    wait_until(lambda: not service.stream()["available"])


def test_a_wrong_cookie_is_told(service: Service, desktop: Callable[[str], Desktop]) -> None:
    red = desktop(RED)
    assert run("xauth", "-f", red.authority, "add", red.display, ".", COOKIE[::-1]).returncode == 0
    service.hand_in(red)
    wait_until(lambda: "refused the connection that was handed in" in service.stream()["reason"])


def test_a_daemon_with_a_display_of_its_own_wants_none(
    processes: Processes, service: Service, desktop: Callable[[str], Desktop]
) -> None:
    service.daemon.child.terminate()
    service.daemon.child.wait(20)
    service.config.write_text(POLICY.replace('display = "session"', 'sources = ["test:64x48@30"]'))
    service.start()
    refused = service.hand_in(desktop(RED))
    assert refused.child.wait(20) == 1
    assert refused.child.stderr
    assert 'set display = "session"' in refused.child.stderr.read()


def test_without_an_x_server_the_helper_says_so(service: Service) -> None:
    result = run("framering-session", "--display", ":59999", "--socket", service.socket)
    assert result.returncode == 3
    assert "no X server answers at :59999" in result.stderr
    assert run("framering-session", "--display", "elsewhere:0").returncode == 3
    assert run("framering-session", "--wrong").returncode == 2
