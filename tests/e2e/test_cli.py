"""The command `framering`: list and grab, every exit code, and the help; test_cli_watch.py has watch."""

import io
import json
import os
import re
import resource
import subprocess
from pathlib import Path
from typing import Any

import framering
import numpy as np
import pytest
from desktop import start_server
from PIL import Image
from processes import Processes
from programs import (
    ENV,
    MOVING,
    STILL,
    WIDE,
    Screen,
    command,
    on_terminal,
    run,
    start_daemon,
    stopped,
    wait_until,
)

# --- list ---


def test_list_shows_every_source_in_columns_and_who_reads_it(socket: Path) -> None:
    with framering.open(STILL, socket=socket) as stream, stream.latest():
        header, *rows = command(socket, "list").stdout.split("\n\n")[0].splitlines()
    names = ["SOURCE", "SIZE", "FORMAT", "MEMORY", "SLOTS", "PUBLISHED", "DROPPED", "CLIENTS"]
    assert header.split() == names
    clients = [row for row in rows if row.startswith("  ")]
    streams = {row.split()[0]: row for row in rows if row not in clients}
    assert list(streams) == [STILL, MOVING, WIDE]
    for source, row in streams.items():
        assert len(row) == len(header)
        for name in names[:4]:
            assert row[header.index(name) - 1 : header.index(name)] in ("", " ")
            assert row[header.index(name)] != " "
        assert row.split()[1:4] == [source[5:].split("@")[0], "BGRX8888", "host"]
    assert streams[STILL].split()[-1] == "1"
    (client,) = clients
    assert rows.index(client) == 1, "beneath its stream"
    assert client.startswith(f"  pid {os.getpid()}, uid {os.getuid()}, python")
    assert "holds 1, broken 0, drops caused 0" in client


def test_list_as_json_has_every_field(socket: Path) -> None:
    with framering.open(STILL, socket=socket) as stream, stream.latest() as frame:
        told = json.loads(command(socket, "list", "--json").stdout)
        assert Path(f"/proc/{told['daemon_pid']}/comm").read_text().startswith("frameringd")
        assert told["daemon_version"] == framering.__version__
        still = told["streams"][0]
        assert still.pop("captures") >= still.pop("published") >= 1
        (client,) = still.pop("clients")
        assert client.pop("name").startswith("python")
        assert client == {
            "pid": os.getpid(),
            "uid": os.getuid(),
            "leases_held": 1,
            "drops_caused": 0,
            "leases_broken": 0,
            "confirmations_asked": 0,
        }
        assert still == {
            "source": STILL,
            "available": True,
            "reason": "",
            "epoch": frame.epoch,
            "width": 64,
            "height": 48,
            "format": "BGRX8888",
            "memory": "host",
            "slot_count": 6,
            "max_fps": 0.0,
            "dropped": 0,
            "client_count": 1,
        }


def test_the_socket_may_stand_before_or_behind_the_command_or_in_the_environment(socket: Path) -> None:
    before = command(socket, "list", "--json").stdout
    assert run("framering", "list", "--json", "--socket", socket).stdout == before
    assert run("framering", "list", "--json", env={**ENV, "FRAMERING_SOCKET": str(socket)}).stdout == before


# --- grab ---


def pixels(png: bytes | Path) -> "np.ndarray[Any, Any]":
    with Image.open(png if isinstance(png, Path) else io.BytesIO(png)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def test_a_grabbed_picture_is_the_frame_that_python_reads(socket: Path, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    with framering.open(STILL, socket=socket) as stream, stream.latest() as frame:
        told = json.loads(command(socket, "grab", STILL, "-o", file, "--json").stdout)
        assert told == {
            "output": str(file),
            "source": STILL,
            "width": 64,
            "height": 48,
            "format": "BGRX8888",
            "sequence": frame.sequence,
            "capture_ns": frame.capture_ns,
        }
        assert (pixels(file) == frame.numpy()[:, :, 2::-1]).all()


def test_grab_writes_to_standard_output_and_tells_of_it_on_standard_error(socket: Path) -> None:
    with framering.open(STILL, socket=socket) as stream, stream.latest() as frame:
        result = command(socket, "grab", STILL, "-o", "-", "--json", text=False)
        assert (pixels(result.stdout) == frame.numpy()[:, :, 2::-1]).all()
        assert json.loads(result.stderr)["output"] == "-"


def test_grab_says_nothing_when_all_went_well(socket: Path, tmp_path: Path) -> None:
    result = command(socket, "grab", STILL, "--output", tmp_path / "picture.png")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def xwd_pixels(display: str) -> "np.ndarray[Any, Any]":
    """What the program xwd reads from the root window, to the nearest 8-bit RGB."""
    dump = run("xwd", "-root", "-silent", "-display", display, text=False).stdout
    fields = np.frombuffer(dump, ">u4", 25).tolist()
    header_bytes, width, height, color_count = fields[0], fields[4], fields[5], fields[19]
    pixel_bits, row_bytes, masks = fields[11], fields[12], fields[14:17]
    order = "<" if fields[7] == 0 else ">"
    start = header_bytes + 12 * color_count
    rows = np.frombuffer(dump, np.uint8, height * row_bytes, start).reshape(height, row_bytes)
    words = rows.view(f"{order}u{pixel_bits // 8}")[:, :width].astype(np.uint32)
    channels = []
    for mask in masks:
        low = (mask & -mask).bit_length() - 1
        most = mask >> low
        channels.append(np.rint((words >> low & most) * (255 / most)))
    return np.stack(channels, axis=2).astype(np.uint8)


@pytest.mark.parametrize("depth", [16, 24, 30])
def test_a_picture_of_a_desktop_is_what_xwd_sees(processes: Processes, tmp_path: Path, depth: int) -> None:
    screen = Screen(processes, tmp_path, f"321x200x{depth}")
    env = {"DISPLAY": screen.display}
    run("xsetroot", "-mod", "7", "5", "-fg", "#f08030", "-bg", "#1a2b3c", env={**ENV, **env}, check=True)
    processes.start("xlogo", ["xlogo", "-geometry", "100x100+20+30", "-fg", "#2a9d8f"], env=env)
    processes.start("xeyes", ["xeyes", "-geometry", "90x80+150+60", "-center", "#e9c46a"], env=env)

    def colors() -> int:
        return len(np.unique(xwd_pixels(screen.display).reshape(-1, 3), axis=0))

    wait_until(lambda: colors() >= 5)

    def grabbed() -> bool:
        before = xwd_pixels(screen.display)
        picture = pixels(command(screen.socket, "grab", "-o", "-", text=False).stdout)
        after = xwd_pixels(screen.display)
        if (before != after).any():
            return False  # a program was still drawing
        assert (picture == before).all()
        return True

    wait_until(grabbed)


def test_grab_with_the_cursor_has_it_where_the_pointer_is(processes: Processes, tmp_path: Path) -> None:
    _, display = start_server(processes, "321x200x24")
    socket = tmp_path / "socket"
    start_daemon(processes, socket, "--display", display, "--source", "screen", "--source", "screen+cursor")
    env = {**ENV, "DISPLAY": display}
    run("xsetroot", "-solid", "#204060", "-cursor_name", "crosshair", env=env, check=True)
    run("xdotool", "mousemove", "200", "120", env=env, check=True)
    plain, with_cursor = (
        pixels(command(socket, "grab", *options, "-o", "-", text=False).stdout)
        for options in ([], ["--cursor"])
    )
    assert (plain == (0x20, 0x40, 0x60)).all()
    rows, columns = np.nonzero((plain != with_cursor).any(axis=2))
    assert 0 < np.ptp(rows) < 40
    assert 0 < np.ptp(columns) < 40
    assert rows.min() <= 120 <= rows.max()
    assert columns.min() <= 200 <= columns.max()


def test_grab_keeps_the_link_and_the_mode_of_a_file_that_it_replaces(socket: Path, tmp_path: Path) -> None:
    file, link = tmp_path / "picture.png", tmp_path / "link.png"
    file.write_text("old")
    file.chmod(0o600)
    link.symlink_to(file)
    assert command(socket, "grab", STILL, "-o", link).returncode == 0
    assert pixels(file).shape == (48, 64, 3)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [link, file]


def test_when_the_disk_is_full_the_old_picture_stays_and_no_half_of_a_new_one(
    socket: Path, tmp_path: Path
) -> None:
    file = tmp_path / "picture.png"
    file.write_text("old")
    result = command(
        socket,
        *("grab", MOVING, "-o", file),
        restore_signals=False,  # SIGXFSZ stays ignored: writing fails, as on a full disk
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert result.returncode == 1
    assert f"cannot write {file}: File too large" in result.stderr
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_grab_writes_into_a_pipe_that_has_a_name(socket: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert command(socket, "grab", STILL, "-o", pipe).returncode == 0
        assert pixels(reader.communicate(timeout=20)[0]).shape == (48, 64, 3)
    assert pipe.is_fifo()


# --- exit codes ---


def test_0_of_every_command(socket: Path, tmp_path: Path) -> None:
    for arguments in (
        ["list"],
        ["grab", STILL, "-o", str(tmp_path / "picture.png")],
        ["watch", STILL, "--duration", "0.1"],
        ["completion", "bash"],
    ):
        assert command(socket, *arguments).returncode == 0


def test_2_for_what_names_no_source_and_the_hint_lists_what_does(socket: Path) -> None:
    for arguments in (["grab", "nothing", "-o", "-"], ["watch", "nothing"]):
        result = command(socket, *arguments)
        assert result.returncode == 2
        assert 'source "nothing"' in result.stderr
        assert "there are: screen, monitor:NAME" in result.stderr


def test_2_for_the_desktop_of_a_daemon_without_a_display(socket: Path) -> None:
    for arguments in (["grab", "-o", "-"], ["watch"]):
        result = command(socket, *arguments)
        assert result.returncode == 2
        assert "set DISPLAY or name one such as :0" in result.stderr


def test_1_where_a_picture_cannot_be_written(socket: Path, tmp_path: Path) -> None:
    places = {
        tmp_path / "none" / "picture.png": "No such file or directory",
        tmp_path: "Is a directory",
        Path("/dev/full"): "No space left on device",
    }
    for place, reason in places.items():
        result = command(socket, "grab", STILL, "-o", place)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"framering: cannot write {place}: {reason}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["list"], ["watch", MOVING], ["grab", STILL, "-o", "-"], ["completion", "zsh"]]
)
def test_1_where_standard_output_cannot_be_written(socket: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        result = command(socket, *arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert result.stderr == "framering: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            [],
            "a command is missing: list, grab, watch, stats, top, doctor, policy, reload, mss or completion",
        ),
        (["snap"], "there is no command or option snap"),
        (["--verbose"], "there is no command or option --verbose"),
        (["--socket"], "--socket takes one value"),
        (["list", "--quiet"], "not expected: --quiet"),
        (["grab"], "--output is required"),
        (["grab", "-o", "-", "--timeout", "-1"], "-1 is no number of seconds above 0"),
        (["grab", "-o", "-", "--timeout", "soon"], "soon is no number of seconds above 0"),
        (["watch", "--duration", "0"], "0 is no number of seconds above 0"),
        (["watch", "--duration", "nan"], "nan is no number of seconds above 0"),
        (["watch", "--mode", "newest"], "newest not in {latest,every}"),
        (["completion"], "SHELL is required"),
        (["completion", "tcsh"], "tcsh not in {bash,zsh,fish}"),
        (["list", "--socket", "x" * 200], "1 to 107 bytes"),
    ],
)
def test_2_for_a_wrong_command_line(arguments: list[str], says: str) -> None:
    result = run("framering", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("framering: ")
    assert says in result.stderr


def test_2_for_a_picture_on_a_terminal(socket: Path) -> None:
    output, code = on_terminal("framering", "--socket", str(socket), "grab", STILL, "-o", "-")
    assert code == 2
    assert "standard output is a terminal" in output
    assert "PNG" not in output


def test_3_without_a_daemon_and_the_hint_says_how_to_start_one(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for arguments in (["list"], ["grab", "-o", str(tmp_path / "picture.png")], ["watch"]):
        result = command(path, *arguments)
        assert (result.returncode, result.stdout) == (3, "")
        assert result.stderr == (
            f"framering: cannot connect to {path}: No such file or directory\n"
            f"  start the daemon: frameringd --socket {path}\n"
        )
    assert list(tmp_path.iterdir()) == []


def test_4_when_no_frame_comes_in_time_and_nothing_is_written(screen: Screen, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    with stopped(screen.server):
        result = command(screen.socket, "grab", "-o", file, "--timeout", "0.5")
    assert result.returncode == 4
    assert "no frame of screen within 0.5 s" in result.stderr
    assert not file.exists()


def test_4_when_the_daemon_does_not_answer(screen: Screen) -> None:
    with stopped(screen.daemon):
        result = command(screen.socket, "list")
    assert result.returncode == 4
    assert "frameringd did not answer" in result.stderr


# --- help ---


@pytest.mark.parametrize(
    "name",
    ["", "list", "grab", "watch", "stats", "top", "doctor", "policy check", "reload", "completion"],
)
def test_help_shows_the_usage_and_examples(name: str) -> None:
    result = run("framering", *name.split(), "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(rf"^Usage: framering {name}", result.stdout, re.M)
    assert re.search(rf"^Examples:\n.*framering {name}", result.stdout, re.M | re.S)
    assert max(map(len, result.stdout.splitlines())) <= 110


def test_the_exit_codes_of_the_help_are_those_of_the_readme() -> None:
    help_text = run("framering", "--help").stdout
    readme = (Path(__file__).parents[2] / "client/README.md").read_text()
    told = re.findall(r"^  (\d)  (.+)$", help_text, re.M)
    assert [number for number, _ in told] == list("0123456")
    assert re.findall(r"^\| (\d) \| (.+) \|$", readme, re.M) == told


def test_version() -> None:
    assert run("framering", "--version").stdout == f"framering {framering.__version__}\n"
