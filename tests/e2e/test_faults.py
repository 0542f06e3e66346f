"""What a machine does to a daemon that runs for months, and clients in a world of their own."""

import json
import os
import shutil
import signal
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import framering
import pytest
from processes import Processes
from programs import ENV, MOVING, command, run, start_daemon, wait_until

CLIENT_USER = 65534
COOKIES = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and other users need root")


def frames(socket: Path, count: int = 5) -> None:
    with framering.open(MOVING, socket=socket) as stream:
        for _ in range(count):
            stream.next(timeout=20).release()


def clients(socket: Path) -> list[dict[str, Any]]:
    told = json.loads(command(socket, "list", "--json").stdout)
    return [client for stream in told["streams"] for client in stream["clients"]]


# --- the machine ---


def test_a_full_disk_under_the_log_stops_nothing(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with open("/dev/full", "w") as full:
        words = [
            "frameringd",
            "--socket",
            str(path),
            "--source",
            MOVING,
            "--log-level",
            "trace",
            "--memory",
            "host",
        ]
        daemon = processes.start("frameringd", words, stderr=full)
        wait_until(path.exists)
        frames(path)
        daemon.child.terminate()
        assert daemon.child.wait(20) == 0


@needs_root
def test_a_folder_that_one_may_not_write_to_is_told_with_its_name(tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents[:3]):
        if place != Path("/tmp") and place.stat().st_uid == 0:
            place.chmod(place.stat().st_mode | 0o011)
    program = shutil.which("frameringd", path=ENV["PATH"])
    become = ["setpriv", f"--reuid={CLIENT_USER}", f"--regid={CLIENT_USER}", "--clear-groups"]
    result = run(*become, program, "--socket", tmp_path / "socket", "--source", MOVING)
    assert result.returncode == 3
    assert str(tmp_path) in result.stderr
    assert "Permission denied" in result.stderr


@needs_root
def test_a_configuration_that_one_may_not_read_is_told(tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents[:3]):
        if place != Path("/tmp") and place.stat().st_uid == 0:
            place.chmod(place.stat().st_mode | 0o011)
    secret = tmp_path / "framering.toml"
    secret.write_text("slots = 4\n")
    secret.chmod(0o600)
    program = shutil.which("frameringd", path=ENV["PATH"])
    become = ["setpriv", f"--reuid={CLIENT_USER}", f"--regid={CLIENT_USER}", "--clear-groups"]
    result = run(*become, program, "--config", secret)
    assert result.returncode == 2
    assert f"cannot read {secret}: Permission denied" in result.stderr


JUMPING_CLOCK = r"""
    #define _GNU_SOURCE
    #include <stdatomic.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>

    /* The time of day goes a day ahead and back, call by call; what counts seconds stays as it is. */
    int clock_gettime(clockid_t clock, struct timespec* now) {
      static atomic_uint calls;
      const long result = syscall(SYS_clock_gettime, clock, now);
      if (clock == CLOCK_REALTIME && result == 0) now->tv_sec += (long)(calls++ % 3) * 86400 - 86400;
      return (int)result;
    }
"""


def test_jumps_of_the_time_of_day_are_not_noticed(processes: Processes, tmp_path: Path) -> None:
    source, library, path = tmp_path / "clock.c", tmp_path / "clock.so", tmp_path / "socket"
    source.write_text(textwrap.dedent(JUMPING_CLOCK))
    assert run("cc", "-shared", "-fPIC", "-o", library, source).returncode == 0
    words = ["frameringd", "--socket", str(path), "--source", MOVING, "--lease-ms", "200", "--memory", "host"]
    processes.start("frameringd", words, env={"LD_PRELOAD": str(library)})
    wait_until(path.exists)
    jumping = {**ENV, "LD_PRELOAD": str(library)}
    watched = run("framering", "--socket", path, "watch", MOVING, "--duration", "1", "--json", env=jumping)
    assert watched.returncode == 0, watched.stderr
    total = json.loads(watched.stdout.splitlines()[-1])
    assert total["total"]
    assert total["frames"] > 5
    with framering.open(MOVING, socket=path) as stream:
        for _ in range(3):
            with stream.next(timeout=20) as frame:
                assert frame.valid
                assert 0 < frame.published_ns - frame.capture_ns < 10**9


def test_a_cookie_that_was_changed_is_found_by_the_running_daemon(
    processes: Processes, tmp_path: Path
) -> None:
    """As after a display manager's restart: another server, another cookie, the same file and number."""
    authority, path = tmp_path / "authority", tmp_path / "socket"

    def serve(cookie: str, display: str) -> tuple[Any, str]:
        authority.unlink(missing_ok=True)
        name = display or ":0"
        assert run("xauth", "-f", authority, "add", name, ".", cookie).returncode == 0
        read, write = os.pipe()
        with os.fdopen(read) as number:
            words = [
                "Xvfb",
                *([display] if display else []),
                "-displayfd",
                str(write),
                "-auth",
                str(authority),
            ]
            server = processes.start(
                "Xvfb", [*words, "-screen", "0", "64x48x24", "-noreset"], pass_fds=[write]
            )
            os.close(write)
            found = ":" + number.readline().strip()
        assert run("xauth", "-f", authority, "add", found, ".", cookie).returncode == 0
        return server, found

    def available() -> bool:
        return bool(json.loads(command(path, "list", "--json").stdout)["streams"][0]["available"])

    server, display = serve(COOKIES[0], "")
    words = ["frameringd", "--socket", str(path), "--display", display, "--memory", "host"]
    processes.start("frameringd", words, env={"XAUTHORITY": str(authority)})
    wait_until(lambda: path.exists() and available())
    server.child.kill()
    server.child.wait(20)
    wait_until(lambda: not available())
    serve(COOKIES[1], display)
    wait_until(available)


def test_told_to_end_under_load_it_ends_soon_tells_all_and_leaves_nothing(
    processes: Processes, tmp_path: Path
) -> None:
    path = tmp_path / "socket"
    daemon = start_daemon(processes, path, "--source", MOVING)
    watch = ["framering", "--socket", str(path), "watch", MOVING, "--json"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    watchers = [processes.start(f"watch {i}", watch, env=ENV, **pipes).child for i in range(16)]
    for watcher in watchers:
        assert watcher.stdout
        assert json.loads(watcher.stdout.readline())["frames"] >= 0
    daemon.child.terminate()
    assert daemon.child.wait(10) == 0, "2 s on a machine that has nothing else to do"
    for watcher in watchers:
        assert watcher.wait(20) == 5
        assert watcher.stderr
        assert "frameringd was stopped" in watcher.stderr.read()
    assert [entry.name for entry in tmp_path.iterdir()] == ["socket.lock"]


# --- clients in containers ---

# The socket alone is brought in; its folder, and where daemons keep things, are hidden.
ENTER = """
set -e
mount -t tmpfs none /mnt
touch /mnt/socket
mount --bind "$1" /mnt/socket
for hidden in "$(dirname "$1")" /run /dev/shm; do mount -t tmpfs none "$hidden"; done
test ! -e "$1"
exec framering --socket /mnt/socket watch "$2" --json
"""
NAMESPACES = (
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--mount",
    "--net",
    "--ipc",
    "--uts",
    "--mount-proc",
)


@pytest.fixture
def contained(processes: Processes, tmp_path: Path) -> "tuple[Path, subprocess.Popen[str]]":
    """A daemon's socket, and a client of it that sees nothing else of this machine."""
    for place in (tmp_path, *tmp_path.parents[:3]):
        if place != Path("/tmp") and place.stat().st_uid == 0:
            place.chmod(place.stat().st_mode | 0o011)
    path = tmp_path / "socket"
    start_daemon(processes, path, "--source", MOVING, "--allow-uid", str(CLIENT_USER))
    become = ["setpriv", f"--reuid={CLIENT_USER}", f"--regid={CLIENT_USER}", "--clear-groups"]
    words = [*become, "unshare", *NAMESPACES, "--kill-child", "sh", "-c", ENTER, "sh", str(path), MOVING]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    client = processes.start("contained client", words, env=ENV, **pipes).child
    assert client.stdout
    first = client.stdout.readline()
    if not first and client.wait(20):
        assert client.stderr
        pytest.skip(f"no namespaces here: {client.stderr.read().strip()}")
    assert json.loads(first)["frames"] > 0
    return path, client


@needs_root
def test_a_client_in_other_namespaces_with_nothing_but_the_socket_streams_as_any_other(
    contained: Any,
) -> None:
    path, client = contained
    for _ in range(2):
        assert json.loads(client.stdout.readline())["frames"] > 0
    [seen] = clients(path)
    assert seen["uid"] == CLIENT_USER
    assert seen["pid"] != client.pid
    namespace = os.readlink(f"/proc/{seen['pid']}/ns/pid")
    assert namespace != os.readlink("/proc/self/ns/pid")


@needs_root
def test_a_client_in_other_namespaces_dies_as_any_other(contained: Any) -> None:
    path, _ = contained
    [seen] = clients(path)
    os.kill(seen["pid"], signal.SIGKILL)
    wait_until(lambda: clients(path) == [])
    frames(path)
