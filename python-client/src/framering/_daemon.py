"""Finding a daemon, or starting one that ends with its last client."""

from __future__ import annotations

import os
import re
import select
import shutil
import stat
import subprocess
import sysconfig
import tempfile
import time
from pathlib import Path

from framering import _core
from framering._errors import Error, PermissionDenied, Unavailable

_START_SECONDS = 20.0
_IDLE_SECONDS = 2
_LOOK_SECONDS = 0.02


def connect(
    socket: str | os.PathLike[str] | None, autostart: bool | None, display: str | None = None
) -> _core.Connection:
    """A connection to the daemon at ``socket``; see framering.connect().

    Where ``autostart`` (None: $FRAMERING_AUTOSTART) is set and nobody answers there, the private daemon of
    ``display`` (None: $DISPLAY) serves instead, and is started if it does not run.
    """
    path = "" if socket is None else os.fspath(socket)
    try:
        return _core.connect(path)
    except Unavailable as error:
        if not (_asked_for() if autostart is None else autostart):
            how = f"{error.hint}; or let clients start one: FRAMERING_AUTOSTART=1" if error.hint else ""
            raise Unavailable(error.message, how, error.code) from None
    display = display or os.environ.get("DISPLAY", "")
    if not display:
        raise Unavailable(
            "no daemon answers, and there is no display for one to capture",
            "set DISPLAY, or start frameringd yourself",
            "unavailable",
        )
    private = private_socket(display)
    try:
        return _core.connect(private)
    except Unavailable:
        return _start(private, display)


def _asked_for() -> bool:
    return os.environ.get("FRAMERING_AUTOSTART", "") not in ("", "0")


def private_socket(display: str) -> str:
    """Where this user's private daemon of a display listens."""
    name = "display-" + re.sub(r"[^A-Za-z0-9.:_-]", "_", display)
    return str(_private_folder() / name)


def _private_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folder = Path(runtime) / "framering"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"framering-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Anyone may make a folder of that name there, to pass his own daemon off as ours.
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionDenied(
            f"{folder} is not a folder of yours alone",
            "remove it, or set XDG_RUNTIME_DIR",
            "permission_denied",
        )
    return folder


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "frameringd"  # where a wheel puts it
    found = shutil.which("frameringd") if not os.access(beside, os.X_OK) else str(beside)
    if found:
        return found
    raise Unavailable(
        "there is no frameringd to start", "install it, or put its folder on PATH", "unavailable"
    )


def _start(socket: str, display: str) -> _core.Connection:
    command = [_program(), "--socket", socket, "--display", display, "--source", "screen"]
    command += ["--exit-when-idle", str(_IDLE_SECONDS), "--log-level", "error"]
    with tempfile.TemporaryFile("w+") as errors:
        pid = _run_apart(command, errors.fileno())
        if pid is None:
            raise Unavailable("cannot start " + command[0], "", "unavailable")
        try:
            return _wait_for(socket, pid)
        except Unavailable:
            errors.seek(0)
            said = " ".join(errors.read().split())
            raise Unavailable(
                f"the daemon that was started for display {display} does not answer: {said or 'it ended'}",
                "try it by hand: " + " ".join(command),
                "unavailable",
            ) from None


def _run_apart(command: list[str], errors: int) -> int | None:
    """Starts a program that is nobody's child and survives this process; its pid."""
    # The shell ends at once, so that the daemon never shows up among the caller's children.
    script = 'setsid "$@" </dev/null >/dev/null & echo $!'
    shell = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd="/",
        text=True,
    )
    return int(shell.stdout) if shell.returncode == 0 else None


def _wait_for(socket: str, pid: int) -> _core.Connection:
    """Connects as soon as the daemon listens, or one that another process started meanwhile."""
    end = time.monotonic() + _START_SECONDS
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return _core.connect(socket)
    try:
        while True:
            gone, _, _ = select.select([ended], [], [], _LOOK_SECONDS)
            try:
                return _core.connect(socket)
            except Error as error:
                if gone or time.monotonic() > end or not isinstance(error, Unavailable):
                    raise
    finally:
        os.close(ended)
