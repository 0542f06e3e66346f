"""Child processes that end with the demo, however it ends."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Any

END_S = 5


class Failure(Exception):
    """What went wrong, for the person at the terminal."""


class Process:
    """Ends on exit. What it prints goes to `log`, unless `options` say otherwise.

    It has a session of its own, so that Ctrl-C reaches the demo alone; where the demo is killed, the kernel
    ends it.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        env: Mapping[str, str],
        log: IO[bytes],
        options: Mapping[str, Any],
    ) -> None:
        self.name = name
        self.log = log
        self.child: subprocess.Popen[str] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options},
            env={**os.environ, **env},
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *exception: object) -> None:
        self.child.terminate()
        try:
            self.child.wait(END_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def output(self) -> str:
        """What it prints, once it has ended; Failure if it failed."""
        text, _ = self.child.communicate()
        if self.child.returncode:
            raise self.failure(f"failed ({self.child.returncode})")
        return text

    def failure(self, what: str) -> Failure:
        self.log.seek(0)
        return Failure(f"{self.name} {what}: {self.log.read().decode(errors='replace').strip()}")


class Processes(contextlib.ExitStack):
    """Ends them in the reverse order of their start."""

    def start(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None, **options: Any
    ) -> Process:
        log = self.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        return self.enter_context(Process(name, command, env or {}, log, options))
