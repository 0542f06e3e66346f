"""What frameringd tells a service manager, and takes from it; the manager is the test."""

import re
import signal
import socket as sockets
from pathlib import Path

import framering
import pytest
from desktop import start_server
from processes import Process, Processes

TEST = ("--source", "test:64x48@60")
WATCHDOG_S = 0.8


class Manager:
    """Listens for a daemon where systemd would, and hears what it says."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "socket"
        self.listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.notify = sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(20)

    def start(self, processes: Processes, *arguments: str, fds: int = 1) -> Process:
        env = {
            "NOTIFY_SOCKET": self.notify.getsockname(),
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "LISTEN_FDS": str(fds),
        }
        number = self.listener.fileno()
        script = f'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@" 3<&{number} 4<&{number}'
        command = ["bash", "-c", script, "bash", "frameringd", *arguments]
        return processes.start("frameringd", command, env=env, pass_fds=[number])

    def hear(self) -> dict[str, str]:
        """The next message."""
        return dict(line.split("=", 1) for line in self.notify.recv(65536).decode().splitlines())

    def hear_until(self, name: str, pattern: str = "") -> dict[str, str]:
        while True:
            told = self.hear()
            if name in told and re.search(pattern, told[name]):
                return told

    def forget(self) -> None:
        """What was said so far."""
        self.notify.setblocking(False)
        try:
            while self.notify.recv(65536):
                pass
        except BlockingIOError:
            self.notify.settimeout(20)


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(tmp_path)


def test_ready_is_told_once_clients_are_served_with_what_is_there(
    processes: Processes, manager: Manager
) -> None:
    manager.start(processes, *TEST)
    told = manager.hear()
    assert told == {"READY": "1", "STATUS": "0 clients; test:64x48@60: 64x48, host memory"}


def test_the_status_follows_the_clients(processes: Processes, manager: Manager) -> None:
    manager.start(processes, *TEST)
    with framering.connect(manager.path):
        manager.hear_until("STATUS", "^1 client;")
    manager.hear_until("STATUS", "^0 clients;")


def test_a_client_that_came_before_the_daemon_is_served_on_the_passed_socket(
    processes: Processes, manager: Manager
) -> None:
    early = sockets.socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
    early.connect(str(manager.path))
    daemon = manager.start(processes, *TEST, "--socket", "/nonexistent/unused")
    with framering.open(TEST[1], socket=manager.path) as stream:
        assert stream.next().width == 64
    daemon.child.send_signal(signal.SIGTERM)
    assert daemon.child.wait(20) == 0
    assert manager.path.is_socket(), "it is the service manager's"
    assert not Path(f"{manager.path}.lock").exists()


def test_something_else_than_one_listening_socket_is_a_wrong_configuration(
    processes: Processes, manager: Manager
) -> None:
    daemon = manager.start(processes, *TEST, fds=2)
    assert daemon.child.wait(20) == 2
    assert "one ListenSequentialPacket=" in str(daemon.failure(""))


def test_stopping_is_told(processes: Processes, manager: Manager) -> None:
    daemon = manager.start(processes, *TEST)
    manager.hear_until("READY")
    daemon.child.send_signal(signal.SIGTERM)
    manager.hear_until("STOPPING")
    assert daemon.child.wait(20) == 0


def test_the_watchdog_is_fed_while_nobody_reads_and_while_somebody_does(
    processes: Processes, manager: Manager
) -> None:
    manager.start(processes, *TEST)
    for _ in range(4):
        manager.hear_until("WATCHDOG")
    with framering.open(TEST[1], socket=manager.path) as stream:
        manager.forget()
        for _ in range(4):
            manager.hear_until("WATCHDOG")
            assert stream.next()


def test_a_capture_thread_that_hangs_starves_the_watchdog_until_it_goes_on(
    processes: Processes, manager: Manager
) -> None:
    server, display = start_server(processes, "320x200x24")
    manager.start(processes, *TEST, "--source", "screen", "--display", display)
    manager.hear_until("READY")
    server.child.send_signal(signal.SIGSTOP)
    try:
        with framering.connect(manager.path) as connection, connection.open("screen"):
            # Its first capture hangs in the X server; the other stream and the socket go on.
            manager.hear_until("STATUS", "^No sign of life from screen$")
            manager.forget()
            with connection.open(TEST[1]) as stream:
                for _ in range(60):
                    assert stream.next()
            manager.notify.settimeout(2 * WATCHDOG_S)
            with pytest.raises(TimeoutError):
                manager.hear_until("WATCHDOG")
            manager.notify.settimeout(20)
    finally:
        server.child.send_signal(signal.SIGCONT)
    manager.hear_until("WATCHDOG")
    manager.hear_until("STATUS", "screen: 320x200")


def test_a_static_desktop_wakes_no_reader_for_the_watchdog(processes: Processes, manager: Manager) -> None:
    manager.start(processes, "--source", "test:64x48@0.01")
    with framering.open("test:64x48@0.01", socket=manager.path) as stream:
        assert stream.next()
        before = framering.connect(manager.path).list()[0]
        manager.forget()
        for _ in range(6):
            manager.hear_until("WATCHDOG")
        after = framering.connect(manager.path).list()[0]
        assert (after.captures, after.published) == (before.captures, before.published)
