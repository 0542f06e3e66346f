"""`framering doctor`: what it finds, what it advises, and its exit codes."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import framering
import pytest
from processes import Processes
from programs import ENV, MOVING, ROOT, STILL, Screen, run, start_daemon

OK, BROKEN, WARNINGS = 0, 1, 6
FAKE_CUDA = ROOT / "build/release/tests/fake_cuda"


class Report:
    def __init__(self, socket: Path, *prefix: str, **env: str) -> None:
        plain = {name: value for name, value in ENV.items() if not name.startswith(("XDG_", "WAYLAND_"))}
        words = (*prefix, "framering", "--socket", socket, "doctor", "--json")
        result = run(*words, env={**plain, **env})
        assert result.stderr == ""
        told = json.loads(result.stdout)
        self.code, self.verdict, self.checks = result.returncode, told["verdict"], told["checks"]
        # What holds of each report.
        worst = {check["verdict"] for check in self.checks}
        expected = next(word for word in ("broken", "warning", "ok") if word in worst)
        assert self.verdict == expected
        assert self.code == {"ok": OK, "warning": WARNINGS, "broken": BROKEN}[expected]
        for check in self.checks:
            assert check["found"]
            assert ("fix" in check) == (check["verdict"] != "ok"), check

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.checks if check["name"] == name)

    def names(self) -> list[str]:
        return [check["name"] for check in self.checks]


def test_where_all_works_it_says_so_of_each_part(screen: Screen) -> None:
    told = Report(screen.socket, DISPLAY=screen.display)
    for name, found in (
        ("socket", str(screen.socket)),
        ("daemon", f"frameringd {framering.__version__}, pid {screen.daemon.child.pid}"),
        ("stream", "screen: 320x200 "),
        ("self-test", "test:640x480@60: "),
        ("display", f"{screen.display}: 320x200, depth 24"),
        ("extensions", "MIT-SHM, DAMAGE, XFIXES"),
        ("shm fd", "takes memory by descriptor"),
        ("shm pixmaps", "on"),
        ("memory", "shared memory works"),
        ("kernel", "Linux"),
    ):
        check = told.check(name)
        assert check["verdict"] == "ok", check
        assert found in check["found"]
    assert {"user", "session", "gpu", "/dev/shm", "descriptors", "memlock", "clock"} <= set(told.names())
    assert told.code in (OK, WARNINGS), "memory may be short, or the clock slow, on this machine"


def test_the_self_test_reads_a_moving_picture_for_a_second_and_tells_its_figures(
    processes: Processes, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    start_daemon(processes, path, "--source", STILL, "--source", MOVING)
    check = Report(path).check("self-test")
    figures = check["figures"]
    assert 1 <= figures["seconds"] < 3
    assert figures["frames"] > 1
    assert figures["fps"] == pytest.approx(figures["frames"] / figures["seconds"])
    assert 0 < figures["age_p50_ms"] <= figures["age_p99_ms"]
    assert check["found"].startswith("test:")


def test_no_daemon_is_broken_and_the_fix_starts_one(tmp_path: Path) -> None:
    told = Report(tmp_path / "none")
    assert told.code == BROKEN
    assert told.check("socket")["found"] == f"{tmp_path}/none: not there"
    assert "systemctl start frameringd.socket" in told.check("socket")["fix"]
    assert told.check("daemon")["verdict"] == "broken"
    assert "self-test" not in told.names()


def test_what_is_no_socket_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert Report(tmp_path / "file").check("socket")["found"].endswith("no socket")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_user_who_may_not_attach_is_told_how_to_be_let_in(processes: Processes, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == 0 and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    path = tmp_path / "socket"
    start_daemon(processes, path, "--source", STILL)
    told = Report(path, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert told.check("socket")["verdict"] == "ok"
    assert "user 65534 may not attach" in told.check("daemon")["found"]
    assert "65534" in told.check("daemon")["fix"]


def test_a_source_that_is_gone_is_broken_with_its_reason(screen: Screen) -> None:
    screen.server.child.kill()
    screen.server.child.wait(20)

    def stream() -> dict[str, Any]:
        return Report(screen.socket).check("stream")

    for _ in range(100):
        if stream()["verdict"] == "broken":
            break
    assert screen.display in stream()["found"]


def test_a_display_that_does_not_answer_is_broken(socket: Path) -> None:
    told = Report(socket, DISPLAY=":987")
    assert told.check("display")["verdict"] == "broken"
    assert "XAUTHORITY" in told.check("display")["fix"]


def test_without_a_display_none_is_missed(socket: Path) -> None:
    assert Report(socket).check("display")["verdict"] == "ok"


@pytest.mark.parametrize("extension", ["MIT-SHM", "DAMAGE", "XFIXES"])
def test_an_extension_that_the_server_lacks_is_named(
    processes: Processes, socket: Path, extension: str
) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as number:
        command = ["Xvfb", "-displayfd", str(write), "-nolisten", "tcp", "-extension", extension]
        processes.start("Xvfb", command, pass_fds=[write])
        os.close(write)
        display = ":" + number.readline().strip()
    told = Report(socket, DISPLAY=display).check("extensions")
    assert told["verdict"] == "broken"
    assert told["found"] == f"the X server lacks {extension}"


@pytest.mark.parametrize("env", [{"XDG_SESSION_TYPE": "wayland"}, {"WAYLAND_DISPLAY": "wayland-0"}])
def test_wayland_is_a_warning_that_says_what_works(socket: Path, env: dict[str, str]) -> None:
    told = Report(socket, **env)
    assert told.check("session")["verdict"] == "warning"
    assert "Xwayland" in told.check("session")["fix"]


def test_few_descriptors_are_a_warning(socket: Path) -> None:
    told = Report(socket, "prlimit", "--nofile=256:256").check("descriptors")
    assert told["verdict"] == "warning"
    assert told["figures"] == {"soft": 256, "hard": 256}


@pytest.mark.skipif(not (FAKE_CUDA / "libcuda.so.1").exists(), reason="built without CUDA")
def test_a_gpu_is_named_with_its_uuid_and_how_it_shares_memory(socket: Path) -> None:
    told = Report(socket, LD_LIBRARY_PATH=str(FAKE_CUDA), CUDA_VISIBLE_DEVICES="0").check("gpu")
    assert told["verdict"] == "ok"
    assert "GPU-" in told["found"]
    assert told["found"].endswith("(VMM)")


def test_for_people_it_is_a_line_a_check_with_its_fix_below(tmp_path: Path) -> None:
    result = run("framering", "--socket", tmp_path / "none", "doctor")
    assert result.returncode == BROKEN
    lines = result.stdout.splitlines()
    assert lines[0] == f"broken   socket       {tmp_path}/none: not there"
    assert lines[1].strip().startswith("-> start the daemon: ")
    assert all(line.startswith(("ok ", "warning ", "broken ", " ")) for line in lines)


def test_it_leaves_nothing_behind(screen: Screen) -> None:
    before = set(os.listdir("/dev/shm"))
    Report(screen.socket, DISPLAY=screen.display)
    assert {name for name in set(os.listdir("/dev/shm")) - before if "framering" in name} == set()
    listed = json.loads(run("framering", "--socket", screen.socket, "list", "--json").stdout)
    assert all(stream["client_count"] == 0 for stream in listed["streams"])


def test_help_tells_the_exit_codes() -> None:
    text = subprocess.run(
        ["framering", "doctor", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert "0 all works, 6 with warnings, 1 something is broken" in text
