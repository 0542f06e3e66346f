"""A daemon that clients start for themselves, and that ends with the last of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import framering
import pytest
from framering import _daemon
from framering.mss import MSS, ScreenShotError
from frames import Program, run, wait_until
from screens import desktop


@pytest.fixture
def display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A display whose daemon nobody has started, and a runtime folder of its own."""
    with desktop("64x48x24", "#336699") as display:
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.delenv("FRAMERING_SOCKET", raising=False)
        monkeypatch.delenv("FRAMERING_AUTOSTART", raising=False)
        monkeypatch.setattr(_daemon, "_IDLE_SECONDS", 1)
        yield display
        wait_until(lambda: not daemons(display), 20)


def daemons(display: str) -> list[int]:
    """The processes that serve this display's private socket."""
    wanted = _daemon.private_socket(display).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in words and words[0].endswith(b"frameringd"):
            found.append(int(folder.name))
    return found


def test_nothing_is_started_unless_it_is_asked_for(display: str) -> None:
    for autostart in (None, False):
        with pytest.raises(framering.Unavailable, match="FRAMERING_AUTOSTART=1") as missing:
            framering.connect(autostart=autostart)
        assert "frameringd" in missing.value.hint
    assert daemons(display) == []


def test_it_is_started_once_serves_and_ends_with_its_last_client(display: str) -> None:
    with MSS(autostart=True) as sct:
        (pid,) = daemons(display)
        assert sct.grab((0, 0, 1, 1)).pixel(0, 0) == (0x33, 0x66, 0x99)
        with framering.open(autostart=True) as stream:
            assert stream.latest().shape == (48, 64, 4)
            assert daemons(display) == [pid]
        del stream
        assert os.getsid(pid) == pid, "it survives the terminal"
        assert f"PPid:\t{os.getpid()}\n" not in Path(f"/proc/{pid}/status").read_text(), "nobody's child"
    wait_until(lambda: daemons(display) == [], 20)
    with MSS(autostart=True) as sct:
        assert daemons(display) != [pid]


def test_the_environment_asks_for_it_too(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMERING_AUTOSTART", "0")
    with pytest.raises(framering.Unavailable):
        framering.connect()
    monkeypatch.setenv("FRAMERING_AUTOSTART", "1")
    with pytest.raises(framering.Unavailable):
        framering.connect(autostart=False)
    output = run("from framering.mss import MSS\nwith MSS() as sct: print(sct.grab((0, 0, 2, 1)).pixels)")
    assert output == "[((51, 102, 153), (51, 102, 153))]\n"


def test_a_daemon_that_answers_is_not_doubled(
    display: str, start_daemon: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start_daemon("--source", "test:8x8@1")
    monkeypatch.setenv("FRAMERING_SOCKET", str(daemon.socket))  # type: ignore[attr-defined]
    with framering.connect(autostart=True) as connection:
        assert connection.list()[0].source == "test:8x8@1"
    assert daemons(display) == []


def test_many_that_start_at_once_share_one(display: str) -> None:
    text = """
        import sys
        from framering.mss import MSS
        with MSS(autostart=True) as sct:
            print(sct.grab((0, 0, 1, 1)).pixel(0, 0), flush=True)
            sys.stdin.readline()
        """
    programs = [Program(text) for _ in range(4)]
    try:
        assert [program.line() for program in programs] == ["(51, 102, 153)"] * 4
        assert len(daemons(display)) == 1
    finally:
        for program in programs:
            program.__exit__()


def test_it_ends_too_when_its_client_is_killed(display: str) -> None:
    with Program(
        "from framering.mss import MSS\nsct = MSS(autostart=True)\nprint(1, flush=True)\ninput()"
    ) as client:
        client.line()
        assert daemons(display)
        os.kill(client.process.pid, signal.SIGKILL)
        wait_until(lambda: daemons(display) == [], 20)


def test_why_it_cannot_start_is_told(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScreenShotError, match=r"display :987 .*cannot connect|:987"):
        MSS(display=":987", autostart=True)
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(framering.Unavailable, match="no display"):
        framering.connect(autostart=True)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    with pytest.raises(framering.Unavailable, match="no frameringd to start"):
        framering.connect(autostart=True)


def test_without_a_runtime_folder_it_uses_one_of_the_users_alone(
    display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = Path(_daemon.private_socket(display)).parent
    assert folder == tmp_path / f"framering-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(framering.PermissionDenied, match="not a folder of yours alone"):
        _daemon.private_socket(display)
    folder.rmdir()
    folder.symlink_to(tmp_path)
    with pytest.raises(framering.PermissionDenied):
        _daemon.private_socket(display)
    folder.unlink()
