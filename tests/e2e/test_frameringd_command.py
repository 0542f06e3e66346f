"""The command line of frameringd, its configuration file, its exit codes and its socket."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import framering
import pytest
from desktop import start_server
from processes import Process, Processes
from programs import ENV, answers, run, start_daemon, wait_until

TEST = ("--source", "test:64x48@60")
WRONG, CANNOT_START = 2, 3


def frameringd(folder: Path, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """One that is expected to end by itself."""
    return run("frameringd", "--socket", folder / "socket", *arguments, **options)


def refused(folder: Path, *arguments: object, code: int = WRONG, **options: Any) -> str:
    """Why; on standard error alone, and nothing is left behind that a client would find."""
    result = frameringd(folder, *arguments, **options)
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    assert not (folder / "socket").exists()
    lines = [line for line in result.stderr.splitlines() if " info: " not in line]
    assert lines[0].startswith("frameringd: ")
    assert len(lines) <= 2
    return "\n".join(lines)


# --- help and version ---


def test_help_shows_every_option_with_its_range_and_default_examples_and_exit_codes() -> None:
    result = run("frameringd", "--help")
    assert (result.returncode, result.stderr) == (0, "")
    for option in (
        *(
            "--socket PATH",
            "--source",
            "--display :N",
            "--memory auto|host|cuda[:DEVICE]|cuda-ipc[:DEVICE]",
            "--config FILE",
        ),
        *("3 to 64 [6]", "0 to 1000, 0 = no cap [60]", "10 to 60000 [1000]", "--allow-uid UID"),
        *("trace|debug|info|warn|error|off", "[screen]", "[$DISPLAY]", "[auto]", "[info]"),
    ):
        assert option in result.stdout, option
    assert "Examples:\n  frameringd" in result.stdout
    assert (
        "$FRAMERING_SOCKET, else framering/socket in $XDG_RUNTIME_DIR, else /run/framering/socket"
        in result.stdout
    )
    assert re.findall(r"\b(\d) (?:ended|failed|wrong|cannot)", result.stdout) == list("0123")


def test_version() -> None:
    result = run("frameringd", "--version")
    assert (result.returncode, result.stdout) == (0, f"frameringd {framering.__version__}\n")


# --- options ---


@pytest.mark.parametrize(
    ("option", "values", "allowed"),
    [
        ("--slots", ["2", "65", "-1", "six", "3.5", "", "99999999999999999999"], "it must be 3 to 64"),
        ("--lease-ms", ["9", "60001", "1s"], "it must be 10 to 60000"),
        ("--max-fps", ["-1", "1000.5", "nan", "inf", "fast"], "it must be 0 (no cap) to 1000"),
        ("--allow-uid", ["-1", "4294967295", "root"], "it must be 0 to 4294967294"),
        ("--memory", ["gpu", "HOST", ""], "it must be auto, host, cuda[:DEVICE] or cuda-ipc[:DEVICE]"),
        ("--log-level", ["loud", "INFO", ""], "it must be trace, debug, info, warn, error or off"),
        ("--source", ["x" * 257], "longer than 256 bytes"),
        ("--source", ["", "window", "test", "x" * 40], "there are: screen, monitor:NAME"),
        ("--source", ["monitor:", "monitor:0", "monitor:1000"], "monitor:HDMI-1"),
        ("--source", ["region:", "region:0,0,0x1", "region:1,2,3"], "region:0,0,640x480"),
        (
            "--source",
            ["window:", "window:0x", "window:12", "window:title=(", "window:class="],
            "window:active",
        ),
        ("--linger-ms", ["-1", "3600001", "1s"], "it must be 0 to 3600000"),
        (
            "--source",
            ["test:", "test:64x48", "test:64x48@", "test:64x48@60 ", "test:axb@c"],
            "WIDTHxHEIGHT@FPS",
        ),
        ("--source", ["test:0x48@60", "test:64x0@60", "test:32768x1@60"], "are 1 to 32767 pixels"),
        ("--source", ["test:64x48@0", "test:64x48@1001", "test:64x48@nan"], "0.01 to 1000 frames a second"),
        ("--display", ["0", "screen", ":x"], "display names look like :0"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(
    tmp_path: Path, option: str, values: list[str], allowed: str
) -> None:
    for value in values:
        said = refused(tmp_path, option, value)
        assert allowed in said, said
        assert value[:40] in said, "named, if it is long in part"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sauce", "screen"], "--sauce"),
        (["screen"], "screen"),
        (["--slots"], "--slots takes one value"),
        (["--slots", "4", "--slots", "5"], "--slots takes one value"),
        ([*TEST, *TEST], "test:64x48@60 is named twice"),
    ],
)
def test_an_argument_that_is_none_is_named(tmp_path: Path, arguments: list[str], says: str) -> None:
    assert says in refused(tmp_path, *arguments)


def test_limits_themselves_are_allowed(processes: Processes, tmp_path: Path) -> None:
    for name, arguments in {
        "least": ["--slots=3", "--lease-ms=10", "--max-fps=0", "--allow-uid=0"],
        "most": ["--slots=64", "--lease-ms=60000", "--max-fps=1000", "--allow-uid=4294967294"],
    }.items():
        start_daemon(processes, tmp_path / name, *arguments, *TEST)
        with framering.open(TEST[1], socket=tmp_path / name) as stream:
            assert f"--lease-ms={stream.lease_ms}" in arguments
        with framering.connect(tmp_path / name) as connection:
            assert f"--slots={connection.list()[0].slot_count}" in arguments


# --- the configuration file ---


def write_config(folder: Path, text: str) -> Path:
    path = folder / "framering.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("slots = 6\nslot = 6\n", "2:1", 'unknown key "slot"; did you mean "slots"?'),
        ("[quota]\nclient_per_uid = 6\n", "2:1", 'did you mean "clients_per_uid"?'),
        ('  slots = "6"\n', "1:11", "slots: this must be an integer"),
        ("lease_ms = 10.5\n", "1:12", "lease_ms: this must be an integer"),
        ("max_fps = true\n", "1:11", "max_fps: this must be a number"),
        ("socket = 1\n", "1:10", "socket: this must be a string"),
        ("display = 0\n", "1:11", "display: this must be a string"),
        ('sources = "screen"\n', "1:11", "sources: this must be an array of strings"),
        ("allow_uids = [1000, 1.5]\n", "1:14", "allow_uids: this must be an array of integers"),
        ("quota = 3\n", "1:9", "quota: this must be a table"),
        ("\nslots = 2\n", "2:9", "slots is 2: it must be 3 to 64"),
        ("max_fps = 1001\n", "1:11", "max_fps is 1001: it must be 0 (no cap) to 1000"),
        ("lease_ms = 9\n", "1:12", "lease_ms is 9: it must be 10 to 60000"),
        ('memory = "gpu"\n', "1:10", "it must be auto, host, cuda[:DEVICE] or cuda-ipc[:DEVICE]"),
        ('log_level = "loud"\n', "1:13", "it must be trace, debug, info, warn, error or off"),
        ("allow_uids = [-1]\n", "1:14", "allow_uid is -1: it must be 0 to 4294967294"),
        ("sources = []\n", "1:11", "it must be 1 to 64 names"),
        ("[quota]\nclients = 0\n", "2:11", "quota.clients is 0: it must be 1 to 1000000"),
        ("slots = 6\nlease_ms =\n", "2:11", "expected value"),
        ("slots = 6\nslots = 7\n", "2:9", "cannot redefine"),
        ("[quota\n", "1:7", "expected ']'"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line_and_column(
    tmp_path: Path, text: str, place: str, says: str
) -> None:
    path = write_config(tmp_path, text)
    said = refused(tmp_path, "--config", path)
    assert said.startswith(f"frameringd: {path}:{place}: ")
    assert says in said


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    none = tmp_path / "none.toml"
    assert f"cannot read {none}: No such file or directory" in refused(tmp_path, "--config", none)
    assert f"cannot read {tmp_path}: Is a directory" in refused(tmp_path, "--config", tmp_path)


def test_every_key_of_the_file_takes_effect(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "from-file"
    config = write_config(
        tmp_path,
        f"""
        socket = "{path}"
        sources = ["test:64x48@60", "screen"]
        display = "{start_server(processes, "200x100x24")[1]}"
        memory = "host"
        slots = 7
        max_fps = 12.5
        lease_ms = 250
        log_level = "off"
        allow_uids = [65534]

        [quota]
        clients = 100
        clients_per_uid = 3
        streams_per_uid = 2
        leases_per_uid = 20
        connects_per_second = 1000
        """,
    )
    daemon = processes.start("frameringd", ["frameringd", "--config", str(config)])
    wait_until(lambda: answers(path) or daemon.child.poll() is not None)
    with framering.connect(path) as connection:
        test, screen = connection.list()
        assert (test.source, screen.source) == ("test:64x48@60", "screen")
        assert (screen.width, screen.height) == (200, 100)
        assert (test.slot_count, test.max_fps, str(test.memory)) == (7, 12.5, "host")
        with connection.open("screen") as stream, connection.open("test:64x48@60"):
            assert stream.lease_ms == 250
            with pytest.raises(framering.QuotaExceeded):
                connection.open("screen")
        with framering.connect(path), framering.connect(path), pytest.raises(framering.QuotaExceeded):
            framering.connect(path)
    assert (daemon.log.seek(0), daemon.log.read()) == (0, b"")


def test_the_log_has_a_line_a_change_of_state_and_none_a_frame(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, *TEST, "--log-level", "trace")

    def lines() -> list[str]:
        daemon.log.seek(0)
        return [str(line) for line in daemon.log.read().decode().splitlines()]

    with framering.open(TEST[1], socket=path) as stream:
        stream.next(timeout=20).release()
        before = lines()
        for _ in range(60):
            stream.next(timeout=20).release()
        assert lines() == before
    changes = {"epoch 1", "serves", "attached client"}
    assert sorted(change for line in before for change in changes if change in line) == sorted(changes)
    assert len(before) == len(changes), before


def test_the_command_line_beats_the_file(processes: Processes, tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        f'socket = "{tmp_path}/other"\nsources = ["screen"]\nslots = 7\nlease_ms = 250\nmax_fps = 5\n',
    )
    path = tmp_path / "socket"
    start_daemon(processes, path, "--config", str(config), *TEST, "--slots", "8", "--max-fps", "10")
    with framering.connect(path) as connection:
        (test,) = connection.list()
        assert (test.source, test.slot_count, test.max_fps) == (TEST[1], 8, 10)
        with connection.open(TEST[1]) as stream:
            assert stream.lease_ms == 250, "where the command line says nothing, the file does"
    assert not (tmp_path / "other").exists()


# --- what it cannot start with ---


def test_3_where_the_display_does_not_answer(tmp_path: Path) -> None:
    assert ":987" in refused(tmp_path, "--display", ":987", code=CANNOT_START)


def test_2_where_no_display_is_named(tmp_path: Path) -> None:
    assert "set DISPLAY" in refused(tmp_path)


def test_3_where_the_memory_does_not_exist(tmp_path: Path) -> None:
    arguments = ["--memory", "cuda", *TEST]
    env = {**ENV, "CUDA_VISIBLE_DEVICES": ""}
    said = refused(tmp_path, *arguments, code=CANNOT_START, env=env)
    assert "cuda" in said
    assert "host memory" in said


def test_3_where_the_socket_cannot_be_made(tmp_path: Path) -> None:
    said = refused(tmp_path / "none" / "deeper", *TEST, code=CANNOT_START)
    assert "cannot make" in said
    assert "--socket" in said


def test_2_for_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    assert "1 to 107 bytes" in refused(tmp_path / ("x" * 120), *TEST)


# --- the socket ---


def start_by_environment(processes: Processes, **variables: str) -> Process:
    """Where nothing but these variables says which socket."""
    unset = [word for name in ("FRAMERING_SOCKET", "XDG_RUNTIME_DIR") for word in ("-u", name)]
    settings = [f"{name}={value}" for name, value in variables.items()]
    return processes.start("frameringd", ["env", *unset, *settings, "frameringd", *TEST])


def test_the_default_path_is_that_of_framering_socket(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "named"
    start_by_environment(processes, FRAMERING_SOCKET=str(path), XDG_RUNTIME_DIR=str(tmp_path))
    wait_until(lambda: answers(path))
    env = {**ENV, "FRAMERING_SOCKET": str(path), "XDG_RUNTIME_DIR": "/nonexistent"}
    assert run("framering", "list", env=env).returncode == 0


def test_else_it_is_in_the_runtime_directory(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "framering/socket"
    start_by_environment(processes, FRAMERING_SOCKET="", XDG_RUNTIME_DIR=str(tmp_path))
    wait_until(lambda: answers(path))
    assert run("framering", "list", env={**ENV, "XDG_RUNTIME_DIR": str(tmp_path)}).returncode == 0


# Under strace, so that the folder of the system stays as it is and a daemon that serves it is left alone.
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_else_it_is_in_the_folder_of_the_system(tmp_path: Path) -> None:
    for command, call in ((["frameringd", *TEST], "mkdir"), (["framering", "list"], "connect")):
        trace = tmp_path / call
        strace = ["strace", "-f", "-o", trace, "-e", f"trace={call}", "-e", f"inject={call}:error=EACCES"]
        result = run(*strace, *command)
        assert result.returncode != 0
        assert "/run/framering" in trace.read_text()
        assert "/run/framering" in result.stderr


def test_the_socket_is_for_all_users_and_its_lock_for_the_owner(processes: Processes, tmp_path: Path) -> None:
    start_daemon(processes, tmp_path / "socket", *TEST)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"socket": 0o666, "socket.lock": 0o600}


def test_a_second_daemon_is_refused_with_the_pid_of_the_first(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = start_daemon(processes, path, *TEST)
    # A display that does not answer: the socket is looked at before anything else is asked for.
    second = frameringd(tmp_path, "--display", ":987")
    assert second.returncode == CANNOT_START
    assert f"socket {path} is in use by the process {first.child.pid}" in second.stderr
    assert "choose another path with --socket" in second.stderr
    assert answers(path)
    assert first.child.poll() is None


def test_the_socket_of_a_killed_daemon_is_taken_over(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = start_daemon(processes, path, *TEST)
    first.child.kill()
    first.child.wait(20)
    assert path.is_socket(), "nobody was there to remove it"
    second = start_daemon(processes, path, *TEST)
    told = json.loads(run("framering", "--socket", path, "list", "--json").stdout)
    assert told["daemon_pid"] == second.child.pid


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "socket"
    make(path)
    before = path.stat()
    result = frameringd(tmp_path, *TEST)
    assert result.returncode == CANNOT_START
    assert f"{path} is there and is no socket" in result.stderr
    assert "remove it" in result.stderr
    assert path.stat() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success_and_removes_the_socket(
    processes: Processes, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, *TEST)
    daemon.child.send_signal(number)
    assert daemon.child.wait(20) == 0
    assert not path.exists()


def test_a_signal_ends_it_also_while_a_display_keeps_it_waiting(processes: Processes, tmp_path: Path) -> None:
    server, display = start_server(processes, "64x48x24")
    server.child.send_signal(signal.SIGSTOP)
    try:
        path = tmp_path / "socket"
        daemon = processes.start("frameringd", ["frameringd", "--socket", str(path), "--display", display])
        wait_until(path.exists)
        daemon.child.terminate()
        daemon.child.wait(20)
    finally:
        server.child.send_signal(signal.SIGCONT)
    start_daemon(processes, path, "--display", display)
