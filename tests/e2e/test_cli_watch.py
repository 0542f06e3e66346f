"""`framering watch`: what it tells of each second and of all, and how it ends."""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import framering
import pytest
from processes import Processes
from programs import ENV, MOVING, STILL, Screen, command, listed, on_terminal, start_daemon, wait_until


@contextlib.contextmanager
def watching(socket: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    words = ["framering", "--socket", str(socket), "watch", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=ENV, **pipes) as child:
        try:
            yield child
        finally:
            child.kill()


LINE = re.compile(
    r"^320x200 +[\d.]+ fps, \d+ missed, (age p50 [\d.]+ p99 [\d.]+ ms, changed [\d.]+ %|nothing changed)$"
)
TOTAL = re.compile(
    r"^(?P<frames>\d+) frames in [\d.]+ s: [\d.]+ fps, \d+ missed, age p50 [\d.]+ p99 [\d.]+ ms, "
    r"changed [\d.]+ %$"
)


def test_watch_tells_of_each_second_and_of_all(socket: Path) -> None:
    result = command(socket, "watch", MOVING, "--duration", "2.5")
    assert (result.returncode, result.stderr) == (0, "")
    *seconds, total = result.stdout.splitlines()
    assert 1 <= len(seconds) <= 3
    for line in seconds:
        assert LINE.match(line), line
    match = TOTAL.match(total)
    assert match, total
    assert int(match["frames"]) > 10


@pytest.mark.parametrize("mode", ["latest", "every"])
def test_watch_as_json_adds_up(socket: Path, mode: str) -> None:
    result = command(socket, "watch", MOVING, "--mode", mode, "--duration", "2.5", "--json")
    assert result.returncode == 0
    *seconds, total = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["total"] for line in (*seconds, total)] == [False] * len(seconds) + [True]
    for line in (*seconds, total):
        assert list(line) == [
            *("total", "seconds", "width", "height", "frames", "fps", "missed"),
            *("age_p50_ms", "age_p99_ms", "changed_percent"),
        ]
        assert (line["width"], line["height"]) == (320, 200)
        assert line["fps"] == pytest.approx(line["frames"] / line["seconds"])
        if line["frames"]:
            assert 0 < line["age_p50_ms"] <= line["age_p99_ms"]
        assert 0 <= line["changed_percent"] <= 100
    for name in ("frames", "missed"):
        assert total[name] == sum(line[name] for line in seconds)
    assert total["seconds"] >= 2.5


def test_a_second_without_frames_says_that_nothing_changed(socket: Path) -> None:
    lines = command(socket, "watch", STILL, "--duration", "2.2").stdout.splitlines()
    assert "64x48    0.0 fps, 0 missed, nothing changed" in lines
    assert lines[-1].startswith("1 frame in 2.2 s")


def test_the_age_of_a_frame_from_before_the_watch_is_not_counted(socket: Path) -> None:
    with framering.open(STILL, socket=socket) as stream, stream.latest():
        result = command(socket, "watch", STILL, "--duration", "0.5", "--json")
    total = json.loads(result.stdout.splitlines()[-1])
    assert (total["frames"], total["age_p50_ms"], total["age_p99_ms"]) == (1, None, None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_with_its_totals_and_success(socket: Path, number: signal.Signals) -> None:
    with watching(socket, MOVING, "--json") as child:
        assert child.stdout
        first = json.loads(child.stdout.readline())
        child.send_signal(number)
        output, errors = child.communicate(timeout=20)
        total = json.loads(output.splitlines()[-1])
        assert (child.returncode, errors) == (0, "")
        assert total["total"]
        assert total["frames"] >= first["frames"]


def test_on_a_terminal_watch_rewrites_one_line(socket: Path) -> None:
    output, code = on_terminal("framering", "--socket", str(socket), "watch", MOVING, "--duration", "2.2")
    assert code == 0
    assert output.count("\n") == 1
    assert output.count("\r\x1b[K320x200") >= 1


def test_3_when_the_daemon_is_killed_in_mid_watch(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, "--source", MOVING)
    with watching(path, MOVING, "--json") as child:
        assert child.stdout
        child.stdout.readline()
        daemon.child.kill()
        output, errors = child.communicate(timeout=20)
    assert child.returncode == 3
    assert json.loads(output.splitlines()[-1])["total"]
    assert "connection to frameringd is lost" in errors


def test_5_when_the_x_server_goes_in_mid_watch_then_3_until_it_is_back(screen: Screen) -> None:
    with watching(screen.socket, "--json") as child:
        wait_until(lambda: listed(screen.socket, "screen")["published"] > 0)
        screen.server.child.kill()
        output, errors = child.communicate(timeout=20)
    assert child.returncode == 5
    assert "the stream has ended: the X server" in errors
    assert json.loads(output.splitlines()[-1])["total"]

    stream = listed(screen.socket, "screen")
    assert (stream["available"], stream["client_count"]) == (False, 0)
    assert screen.display in stream["reason"]
    assert f"screen  unavailable: {stream['reason']}" in command(screen.socket, "list").stdout
    result = command(screen.socket, "grab", "-o", "-")
    assert result.returncode == 3
    assert stream["reason"] in result.stderr


def test_the_totals_count_what_came_in_a_second_that_was_cut_short(
    processes: Processes, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, "--source", MOVING)
    with watching(path, MOVING, "--mode", "every", "--json") as child:
        wait_until(lambda: listed(path, MOVING)["published"] >= 20)
        daemon.child.terminate()
        output, errors = child.communicate(timeout=20)
    assert child.returncode == 5
    assert "frameringd was stopped" in errors
    *seconds, total = [json.loads(line) for line in output.splitlines()]
    assert total["frames"] > sum(line["frames"] for line in seconds)
