"""The packages on a real Debian with its systemd: a desktop of one user, readers that are others.

The tests go through the life of one machine, in their order.
"""

import io
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from machine import ENV, Machine, wait_until
from PIL import Image

SERVICE, SOCKET = "frameringd.service", "frameringd.socket"
DESK, READER, STRANGER = 1001, 1002, 1003  # user ids: whose desktop it is, who may read it, and who may not
WATCHDOG_S = 3
CONFIGURATION = f"""
display = ":7"
sources = ["screen", "test:64x48@30"]
allow_uids = [{READER}]
"""
DROP_IN = f"""
[Service]
LoadCredential=xauthority:/home/desk/.Xauthority
Environment=XAUTHORITY=%d/xauthority
WatchdogSec={WATCHDOG_S}
"""

pytestmark = pytest.mark.timeout(600)


def main_pid(machine: Machine, unit: str = SERVICE) -> int:
    return int(machine.show(unit, "MainPID"))


def runs(machine: Machine, unit: str = SERVICE) -> bool:
    return machine.show(unit, "ActiveState") == "active"


def listed(machine: Machine, **options: Any) -> dict[str, Any]:
    return dict(json.loads(machine.run("framering", "list", "--json", user=READER, **options)))


def answers(machine: Machine) -> bool:
    return machine.try_run("framering", "list", user=READER).returncode == 0


def configure(machine: Machine, text: str) -> None:
    machine.write("/etc/framering.toml", text)


@contextmanager
def reading(machine: Machine, source: str = "test:64x48@30") -> "Iterator[subprocess.Popen[str]]":
    """A client that has its first frames."""
    command = ("framering", "watch", source, "--json")
    with machine.started(*command, user=READER, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
        assert client.stdout
        first = json.loads(client.stdout.readline())
        assert first["frames"] > 0
        yield client


def test_installing_makes_the_user_listens_and_starts_nothing(
    machine: Machine, programs_package: Path
) -> None:
    machine.run("dpkg", "--install", f"/packages/{programs_package.name}")
    assert machine.run("systemctl", "is-enabled", SOCKET).strip() == "enabled"
    assert machine.run("systemctl", "is-active", SOCKET).strip() == "active"
    assert machine.show(SERVICE, "ActiveState") == "inactive"
    user = machine.run("getent", "passwd", "framering").strip().split(":")
    assert user[5:] == ["/", "/usr/sbin/nologin"]
    assert 0 < int(user[2]) < 1000
    assert machine.run("stat", "-c", "%U:%G %a", "/run/framering").strip() == "framering:framering 755"
    assert machine.run("stat", "-c", "%a", "/run/framering/socket").strip() == "666"


def test_a_wrong_configuration_ends_the_service_for_good_and_hangs_up_on_the_client(machine: Machine) -> None:
    configure(machine, "slots = 2\n")
    client = machine.try_run("framering", "list", user=READER)
    assert client.returncode != 0
    wait_until(lambda: machine.show(SERVICE, "SubState") == "failed")
    assert machine.show(SERVICE, "ExecMainStatus") == "2"
    assert machine.show(SERVICE, "NRestarts") == "0"
    assert "framering.toml:1:9: slots: slots is 2: it must be 3 to 64" in machine.journal(SERVICE)
    assert machine.run("systemctl", "is-active", SOCKET).strip() == "active", "the next client tries again"


@pytest.fixture(scope="module")
def desktop(machine: Machine) -> Iterator[None]:
    """Red, at :7, with a cookie that only its user and root can read."""
    for name, uid in (("desk", DESK), ("reader", READER), ("stranger", STRANGER)):
        machine.run("useradd", "--create-home", f"--uid={uid}", name)
    env = {**ENV, "HOME": "/home/desk", "XAUTHORITY": "/home/desk/.Xauthority"}
    machine.run("xauth", "-q", "add", ":7", ".", "0123456789abcdef0123456789abcdef", user=DESK, env=env)
    assert machine.run("stat", "-c", "%a", "/home/desk/.Xauthority").strip() == "600"
    screen = ("-screen", "0", "320x200x24")
    server = ("Xvfb", ":7", "-auth", "/home/desk/.Xauthority", *screen, "-nolisten", "tcp", "-noreset")
    with machine.started(*server, user=DESK, env=env, stderr=subprocess.DEVNULL):
        draw = ("xsetroot", "-display", ":7", "-solid", "#c81e32")
        wait_until(lambda: machine.try_run(*draw, user=DESK, env=env).returncode == 0)
        configure(machine, CONFIGURATION)
        for unit in (SERVICE, "frameringd@.service"):
            machine.write(f"/etc/systemd/system/{unit}.d/test.conf", DROP_IN)
        machine.run("systemctl", "daemon-reload")
        yield


def test_the_first_client_starts_the_daemon_and_reads_another_users_desktop(
    machine: Machine, desktop: None
) -> None:
    assert not runs(machine)
    picture = machine.run("framering", "grab", "-o", "-", user=READER, text=False)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (320, 200)
        assert image.getcolors() == [(320 * 200, (0xC8, 0x1E, 0x32))]
    assert runs(machine)
    assert machine.run("ps", "-o", "user:20=,group:20=", "-p", main_pid(machine)).split() == ["framering"] * 2
    with reading(machine):
        wait_until(lambda: "1 client; screen: 320x200, host memory" in machine.show(SERVICE, "StatusText"))


def test_a_client_with_a_runtime_directory_but_no_daemon_of_its_own_finds_that_of_the_system(
    machine: Machine, desktop: None
) -> None:
    machine.run("install", "-d", "-o", READER, "-m", "700", "/tmp/runtime")
    told = listed(machine, env={**ENV, "XDG_RUNTIME_DIR": "/tmp/runtime"})
    assert told["daemon_pid"] == main_pid(machine)


def test_a_user_who_may_not_attach_is_told_so_and_the_journal_too(machine: Machine, desktop: None) -> None:
    denied = machine.try_run("framering", "list", user=STRANGER)
    assert denied.returncode == 1
    assert f"user {STRANGER} may not attach to this daemon" in denied.stderr
    assert f"of user {STRANGER}: this daemon: no rule is for user {STRANGER}" in machine.journal(SERVICE)
    assert answers(machine)


def journal_fields(machine: Machine, *matches: str) -> dict[str, str]:
    """Of the last such line."""
    machine.run("journalctl", "--sync")
    lines = machine.run("journalctl", "--no-pager", "-o", "json", "-u", SERVICE, *matches).splitlines()
    return dict(json.loads(lines[-1]))


def test_the_journal_can_be_searched_for_who_was_let_in_to_what(machine: Machine, desktop: None) -> None:
    machine.try_run("framering", "list", user=STRANGER)
    denied = journal_fields(machine, "FRAMERING_VERDICT=denied", f"FRAMERING_UID={STRANGER}")
    assert denied["FRAMERING_SOURCE"] == ""
    assert denied["PRIORITY"] == "4"
    with reading(machine):
        allowed = journal_fields(machine, "FRAMERING_VERDICT=allowed", f"FRAMERING_UID={READER}")
    assert allowed["FRAMERING_SOURCE"] == "test:64x48@30"
    assert allowed["PRIORITY"] == "6"
    assert int(allowed["FRAMERING_PID"]) > 1
    # Other lines have their priority too: systemd's own of the start are told apart by who wrote them.
    plain = journal_fields(machine, "_COMM=frameringd", "PRIORITY=6")
    assert not plain["MESSAGE"].startswith("<")


def test_the_group_may_attach_and_a_reload_revokes_at_once(machine: Machine, desktop: None) -> None:
    list_streams = ("framering", "--socket", "/run/framering/socket", "list")
    member = ("setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--init-groups")
    assert machine.try_run(*member, *list_streams).returncode == 1
    machine.run("usermod", "--append", "--groups", "framering", "stranger")
    machine.run(*member, *list_streams)
    first = main_pid(machine)
    with reading(machine) as client:
        configure(machine, CONFIGURATION + f"\n[[policy]]\nuids = [{READER}, {STRANGER}]\nsources = []\n")
        machine.run("systemctl", "reload", SERVICE)
        assert client.wait(20) != 0
    assert machine.try_run(*member, *list_streams).returncode == 1
    configure(machine, CONFIGURATION + "\n[[policy]]\nuids = 7\n")
    machine.run("systemctl", "reload", SERVICE)
    wait_until(lambda: "stays as it was" in machine.journal(SERVICE))
    assert machine.try_run(*member, *list_streams).returncode == 1
    configure(machine, CONFIGURATION)
    machine.run("framering", "reload")
    assert answers(machine)
    assert main_pid(machine) == first
    machine.run("gpasswd", "--delete", "stranger", "framering")


def test_no_directive_of_the_unit_keeps_the_daemon_from_anything(machine: Machine, desktop: None) -> None:
    """It has served a screen and a test source by now; what a sandbox refuses shows up as one of these."""
    assert not re.search(r"not permitted|denied by|Operation not|Failed to set up", machine.journal(SERVICE))
    status = machine.run("cat", f"/proc/{main_pid(machine)}/status")
    assert re.search(r"^CapBnd:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert re.search(r"^Seccomp:\s+2$", status, re.M)


def test_a_killed_daemon_is_back_and_its_clients_are_told(machine: Machine, desktop: None) -> None:
    first = main_pid(machine)
    with reading(machine) as client:
        machine.run("kill", "-KILL", first)
        assert client.wait(10) in (3, 5)
    wait_until(lambda: runs(machine) and main_pid(machine) not in (0, first))
    assert machine.show(SERVICE, "NRestarts") == "1"
    with reading(machine):
        pass


def test_a_daemon_that_is_killed_for_want_of_memory_is_back_and_leaves_nothing(
    machine: Machine, desktop: None
) -> None:
    first = main_pid(machine)
    with reading(machine) as client:
        with machine.without_memory(first):
            # Each client that it answers takes some.
            wait_until(lambda: answers(machine) and main_pid(machine) not in (0, first))
        assert client.wait(10) in (3, 5)
    with reading(machine):
        pass
    assert machine.run("ls", "/run/framering").split() == ["socket"]
    assert machine.run("find", "/dev/shm", "-name", "*framering*") == ""


def test_a_stopped_daemon_trips_the_watchdog(machine: Machine, desktop: None) -> None:
    first = main_pid(machine)
    machine.run("kill", "-STOP", first)
    wait_until(lambda: main_pid(machine) not in (0, first), 20 * WATCHDOG_S)
    wait_until(lambda: answers(machine))
    assert "Watchdog timeout" in machine.journal(SERVICE)


def test_one_hanging_capture_thread_trips_the_watchdog_though_all_others_work(
    machine: Machine, desktop: None
) -> None:
    first = main_pid(machine)
    server = int(machine.run("pgrep", "-u", DESK, "Xvfb"))
    draw = ("xsetroot", "-display", ":7", "-solid", "#006400")
    with reading(machine, "screen"), reading(machine):
        machine.run("kill", "-STOP", server)
        try:
            # Its next look at the screen hangs: this client's, whose connection the daemon accepts as ever.
            grab = ("framering", "grab", "screen", "-o", "/dev/null", "--timeout", 60)
            env = {**ENV, "XAUTHORITY": "/home/desk/.Xauthority"}
            with machine.started(*grab, user=READER), machine.started(*draw, user=DESK, env=env):
                wait_until(lambda: main_pid(machine) not in (0, first), 20 * WATCHDOG_S)
        finally:
            machine.run("kill", "-CONT", server)
    assert "no sign of life from the threads of: screen" in machine.journal(SERVICE)
    wait_until(lambda: answers(machine))


def test_stopping_tells_the_clients_and_leaves_the_socket_to_the_next_daemon(
    machine: Machine, desktop: None
) -> None:
    with reading(machine) as client:
        machine.run("systemctl", "stop", SERVICE)
        assert client.wait(10) == 5
        assert client.stderr
        assert "frameringd was stopped" in client.stderr.read()
    assert machine.show(SERVICE, "Result") == "success"
    assert answers(machine), "the socket starts it"


def test_a_display_of_its_own_has_a_daemon_and_a_socket_of_its_own(machine: Machine, desktop: None) -> None:
    machine.run("systemctl", "start", "frameringd@:7")
    told = listed(machine, env={**ENV, "FRAMERING_SOCKET": "/run/framering/:7.socket"})
    assert told["daemon_pid"] == main_pid(machine, "frameringd@:7")
    assert told["daemon_pid"] != main_pid(machine)
    machine.run("systemctl", "stop", "frameringd@:7")
    assert machine.run("ls", "/run/framering").split() == [":7.socket.lock", "socket"]


def test_a_user_has_a_daemon_of_the_own_session(machine: Machine, desktop: None) -> None:
    machine.run("loginctl", "enable-linger", "desk")
    env = {**ENV, "XDG_RUNTIME_DIR": f"/run/user/{DESK}", "HOME": "/home/desk"}

    def as_desk(*words: str) -> str:
        return str(machine.run(*words, user=DESK, env=env))

    wait_until(lambda: machine.try_run("systemctl", "--user", "status", user=DESK, env=env).returncode == 0)
    as_desk("systemctl", "--user", "set-environment", "DISPLAY=:7", "XAUTHORITY=/home/desk/.Xauthority")
    as_desk("systemctl", "--user", "start", SOCKET)
    told = json.loads(as_desk("framering", "list", "--json"))
    assert told["streams"][0]["width"] == 320
    assert machine.run("ps", "-o", "user=", "-p", told["daemon_pid"]).strip() == "desk"
    as_desk("systemctl", "--user", "stop", SERVICE, SOCKET)
    assert json.loads(machine.run("framering", "list", "--json", env=env))["daemon_pid"] == main_pid(machine)


HANDED_IN = f"""
display = "session"
allow_uids = [{READER}]
[[policy]]
uids = [{DESK}]
sources = ["*"]
display = true
"""


LOGIN1 = ("org.freedesktop.login1",)
MANAGER = ("org.freedesktop.login1.Manager", "GetSession")


def login_session(machine: Machine) -> str:
    """The D-Bus path of desk's, or nothing."""
    for line in machine.run("loginctl", "--no-legend", "list-sessions").splitlines():
        number, uid = line.split()[:2]
        if int(uid) == DESK:
            found = machine.run("busctl", "call", *LOGIN1, "/org/freedesktop/login1", *MANAGER, "s", number)
            return str(found.split('"')[1])
    return ""


def test_a_session_hands_in_its_desktop_of_which_nothing_is_seen_while_it_is_locked(
    machine: Machine, desktop: None
) -> None:
    configure(machine, HANDED_IN)
    machine.run("systemctl", "restart", SERVICE)
    grab = ("framering", "grab", "-o", "/dev/null", "--timeout", 2)
    missing = "no session has handed in its desktop"
    wait_until(lambda: missing in machine.try_run(*grab, user=READER).stderr)
    log_in = ("systemd-run", "--quiet", "--pipe", "--wait", "--uid=desk", "--property=PAMName=login")
    variables = ("DISPLAY=:7", "XAUTHORITY=/home/desk/.Xauthority", "XDG_SESSION_TYPE=x11")
    words = (*log_in, *(f"--setenv={variable}" for variable in variables), "framering-session")
    with machine.started(*words, stderr=subprocess.PIPE):
        wait_until(lambda: machine.try_run(*grab, user=READER).returncode == 0)
        wait_until(lambda: login_session(machine))

        def lock(locked: bool) -> None:
            interface = ("org.freedesktop.login1.Session", "SetLockedHint", "b", str(locked).lower())
            machine.run("busctl", "call", *LOGIN1, login_session(machine), *interface)

        for _ in range(2):
            lock(True)
            wait_until(lambda: machine.try_run(*grab, user=READER).returncode == 4)
            lock(False)
            wait_until(lambda: machine.try_run(*grab, user=READER).returncode == 0)
        assert "the desktop's session is in the foreground, locked" in machine.journal(SERVICE)
        machine.run("loginctl", "terminate-user", "desk")
        wait_until(lambda: "the desktop of user 1001 is given up" in machine.journal(SERVICE))
    assert machine.try_run(*grab, user=READER).returncode not in (0, 4)
    configure(machine, CONFIGURATION)
    machine.run("systemctl", "restart", SERVICE)


def test_an_upgrade_under_load_goes_over_to_the_new_program_and_keeps_the_configuration(
    machine: Machine, desktop: None, newer_package: Path
) -> None:
    first = main_pid(machine)
    with reading(machine), reading(machine), reading(machine), reading(machine, "screen") as last:
        upgrade = ("dpkg", "--force-confold", "--install", f"/packages/{newer_package.name}")
        machine.run(*upgrade)
        assert last.wait(20) in (3, 5), "they are told"
    assert machine.run("dpkg-query", "-W", "-f", "${Version}", "framering").endswith("-2")
    assert runs(machine)
    assert main_pid(machine) != first
    assert "deleted" not in machine.run("readlink", f"/proc/{main_pid(machine)}/exe")
    assert machine.run("cat", "/etc/framering.toml") == CONFIGURATION
    with reading(machine), reading(machine, "screen"):
        pass


def test_removing_stops_it_and_leaves_the_configuration_alone(machine: Machine, desktop: None) -> None:
    with reading(machine) as client:
        machine.run("dpkg", "--remove", "framering")
        assert client.wait(10) == 5
    assert machine.try_run("pgrep", "frameringd").returncode == 1
    assert machine.try_run("test", "-e", "/run/framering").returncode == 1
    assert machine.try_run("systemctl", "cat", SERVICE).returncode == 1
    assert machine.run("cat", "/etc/framering.toml") == CONFIGURATION


def test_purging_leaves_nothing_but_the_user(machine: Machine, desktop: None) -> None:
    machine.run("dpkg", "--purge", "framering")
    left = machine.run("find", "/etc", "/usr", "/run", "/var/lib", "-xdev", "-name", "*framering*").split()
    assert [path for path in left if "test.conf" not in path and not path.endswith("service.d")] == []
    assert machine.run("getent", "passwd", "framering").startswith("framering:")


def test_what_was_purged_can_be_installed_again_with_the_library(
    machine: Machine, desktop: None, newer_package: Path, library_package: Path
) -> None:
    machine.run("dpkg", "--install", *(f"/packages/{path.name}" for path in (newer_package, library_package)))
    assert machine.run("systemctl", "is-active", SOCKET).strip() == "active"
    machine.run("dpkg", "--purge", "framering", "libframering-dev")
