"""A Debian of the tests' own, booted with its systemd in a container, and what is run in it."""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "build/packages"
SUITE = "bookworm"
# A system that boots, X servers, and what the tests run besides; what the packages need comes to it.
CONTENTS = (
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "procps", "xvfb", "x11-xserver-utils", "xauth",
)  # fmt: skip
BOOT_S = 180


def why_it_cannot_run() -> str | None:
    if os.geteuid() != 0:
        return "booting a machine needs root"
    missing = [name for name in ("mmdebstrap", "systemd-nspawn", "nsenter") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else None


def needed_packages() -> set[str]:
    """What the packages of PACKAGES depend on, themselves left out; of alternatives, the first."""
    names = set()
    for package in PACKAGES.glob("*.deb"):
        command = ["dpkg-deb", "--field", str(package), "Depends"]
        depends = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        names |= {one.split()[0].partition(":")[0] for one in depends.split(",") if one.strip()}
    return {name for name in names if not list(PACKAGES.glob(f"{name}_*.deb"))}


def system_tree() -> Path:
    """The files of the machine, made once and only read from then on."""
    contents = sorted({*CONTENTS, *needed_packages()})
    stamp = hashlib.sha256(f"{SUITE} {contents}".encode()).hexdigest()[:16]
    tree = ROOT / "build/systemd" / f"root-{stamp}"
    if not tree.exists():
        tree.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
            made = Path(folder) / "root"
            include = f"--include={','.join(contents)}"
            command = ["mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, str(made)]
            subprocess.run(command, check=True, timeout=1500)
            made.rename(tree)
    return tree


class Machine:
    """Its changes are gone when it is switched off. Commands run as root, or as `user`, a user id."""

    def __init__(self, leader: int) -> None:
        self.leader = leader

    def command(self, words: tuple[object, ...], user: int | None) -> list[str]:
        become = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        enter = ["nsenter", f"--target={self.leader}", "--all", "--wd=/"]
        # --all leaves out the control group: clients are nobody's service.
        return [*enter, "setpriv", "--pdeathsig=KILL", *become, *map(str, words)]

    def try_run(
        self, *words: object, user: int | None = None, **options: Any
    ) -> "subprocess.CompletedProcess[Any]":
        options = {"capture_output": True, "text": True, "timeout": 120, "env": ENV, **options}
        return subprocess.run(self.command(words, user), **options)

    def run(self, *words: object, user: int | None = None, **options: Any) -> Any:
        """What it prints."""
        result = self.try_run(*words, user=user, **options)
        assert result.returncode == 0, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    @contextlib.contextmanager
    def started(
        self, *words: object, user: int | None = None, **options: Any
    ) -> "Iterator[subprocess.Popen[str]]":
        process = subprocess.Popen(self.command(words, user), text=True, **{"env": ENV, **options})
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def pid_outside(self, pid: int) -> int:
        """That of the same process in our own namespace."""
        own = pid_namespace(Path(f"/proc/{self.leader}"))
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                [numbers] = re.findall(r"^NSpid:(.*)$", (process / "status").read_text(), re.M)
                if pid_namespace(process) == own and int(numbers.split()[-1]) == pid:
                    return int(process.name)
        raise AssertionError(f"the machine has no process {pid}")

    @contextlib.contextmanager
    def without_memory(self, pid: int) -> Iterator[None]:
        """The next page that this process needs must have the kernel's OOM killer end it."""
        with memory_group() as (group, counts):
            (group / "cgroup.procs").write_text(str(self.pid_outside(pid)))
            yield
            assert "oom_kill 1\n" in (group / counts).read_text()

    def write(self, path: str, text: str) -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path, input=text)

    def show(self, unit: str, name: str) -> str:
        return str(self.run("systemctl", "show", "-p", name, "--value", unit)).strip()

    def journal(self, unit: str) -> str:
        self.run("journalctl", "--sync")
        return str(self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit))


ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come true in time"
        time.sleep(0.05)


def pid_namespace(process: Path) -> str | None:
    with contextlib.suppress(OSError):
        return os.readlink(process / "ns/pid")
    return None


def leader_of(container: int) -> int | None:
    """The first process of the machine: systemd-nspawn has short-lived children in our own namespace too."""
    for child in Path(f"/proc/{container}/task/{container}/children").read_text().split():
        if pid_namespace(Path(f"/proc/{child}")) not in (None, pid_namespace(Path("/proc/self"))):
            return int(child)
    return None


# Where a control group for memory is made, what keeps all of it away, and which file counts whom that kills.
MEMORY_GROUPS = (
    (Path("/sys/fs/cgroup"), {"memory.max": "65536", "memory.swap.max": "0"}, "memory.events"),
    (
        Path("/sys/fs/cgroup/memory"),
        {"memory.limit_in_bytes": "65536", "memory.swappiness": "0"},
        "memory.oom_control",
    ),
)


@contextlib.contextmanager
def memory_group() -> Iterator[tuple[Path, str]]:
    """Its folder, and the name of the file that counts whom the kernel killed in it."""
    for parent, limits, counts in MEMORY_GROUPS:
        group = parent / f"framering-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / next(iter(limits))).exists():
                for name, value in limits.items():
                    if (group / name).exists():  # not each where there is no swap
                        (group / name).write_text(value)
                yield group, counts
                return
        finally:
            with contextlib.suppress(OSError):  # whoever has outlived it is in it still
                group.rmdir()
    pytest.skip("no control group for memory can be made here")


@contextlib.contextmanager
def booted(log: IO[bytes]) -> Iterator[Machine]:
    """Switched on, up, and off again. /packages in it is PACKAGES; it has no network."""
    options = ["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network", "--link-journal=no"]
    place = [f"--directory={system_tree()}", "--volatile=overlay", f"--bind-ro={PACKAGES}:/packages"]
    command = ["setpriv", "--pdeathsig=TERM", "systemd-nspawn", *options, *place]
    container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: container.poll() is not None or leader_of(container.pid), BOOT_S)
        leader = leader_of(container.pid)
        assert leader, "the machine did not start; see its log"
        machine = Machine(leader)
        # On a busy machine a unit of the system itself may come too late: that is not what is tested here.
        booted_states = {"running", "degraded"}
        wait_until(
            lambda: (
                machine.try_run("systemctl", "is-system-running", "--wait").stdout.strip() in booted_states
            ),
            BOOT_S,
        )
        yield machine
    finally:
        container.terminate()
        try:
            container.wait(20)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait()
