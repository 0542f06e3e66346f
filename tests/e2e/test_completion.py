"""What the shells complete: commands, options and the sources of the daemon that is named."""

import json
import os
import pty
import re
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desktop import start_server
from processes import Processes
from programs import ENV, run, start_daemon, wait_until

SOURCES = ("test:64x48@0.01", "test:320x200@60")


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a daemon with SOURCES, at a path with a blank."""
    path = tmp_path_factory.mktemp("a daemon") / "socket"
    with Processes() as started:
        start_daemon(started, path, *(word for name in SOURCES for word in ("--source", name)))
        yield path


def needs(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


# What was completed is run, and shows its words; the script itself asks the real program for `list`.
SHOWS_ITS_WORDS = (
    "framering() { if [[ ${@: -1} == --sources ]]; "
    'then command framering "$@"; else printf \'<%s>\' "$@"; fi }'
)


class Shell:
    """An interactive shell that has read its completion script."""

    def __init__(self, socket: Path, *words: str, setup: str) -> None:
        env = {**ENV, "FRAMERING_SOCKET": str(socket), "TERM": "dumb", "PS1": "", "HISTFILE": ""}
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.execvpe(words[0], list(words), env)
        self.run(f"{setup}; {SHOWS_ITS_WORDS}; echo rea''dy", "ready")

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self.terminal)
        os.waitpid(self.child, 0)

    def run(self, line: str, shows: str, seconds: float = 20) -> None:
        """Types the line, as it is, and waits until the shell has shown this."""
        os.write(self.terminal, (line + "\n").encode())
        end = time.monotonic() + seconds
        output = ""
        while shows not in output:
            left = end - time.monotonic()
            assert left > 0, f"no {shows!r} in {output!r}"
            if select.select([self.terminal], [], [], left)[0]:
                output += os.read(self.terminal, 4096).decode(errors="replace")


def bash(socket: Path) -> Shell:
    return Shell(socket, "bash", "--norc", "--noprofile", "-i", setup="source <(framering completion bash)")


def zsh(socket: Path) -> Shell:
    setup = "autoload -U compinit; compinit -D -u; source <(framering completion zsh)"
    return Shell(socket, "zsh", "-f", "-i", setup=setup)


@pytest.mark.parametrize("start", [bash, zsh])
def test_a_shell_completes_commands_options_values_and_live_sources(
    socket: Path, start: Callable[[Path], Shell]
) -> None:
    needs(start.__name__)
    with start(socket) as shell:
        shell.run("framering gr\t", "<grab>")
        shell.run("framering wa\t", "<watch>")
        shell.run("framering completion z\t", "<completion><zsh>")
        shell.run("framering grab --out\t x", "<grab><--output")
        shell.run("framering watch --mode=ev\t", "<watch><--mode=every>")
        shell.run("framering watch --mode e\t", "<watch><--mode><every>")
        shell.run("framering list --js\t", "<list><--json>")
        shell.run("framering grab test:6\t", "<grab><test:64x48@0.01>")
        shell.run("framering watch test:320x200@\t", "<watch><test:320x200@60>")
        shell.run("true; framering grab --json test:3\t", "<grab><--json><test:320x200@60>")


@pytest.mark.parametrize("start", [bash, zsh])
def test_the_sources_are_those_of_the_daemon_on_the_command_line(
    socket: Path, start: Callable[[Path], Shell], tmp_path: Path
) -> None:
    needs(start.__name__)
    path = tmp_path / "another"
    with Processes() as processes, start(socket) as shell:
        start_daemon(processes, path, "--source", "test:9x9@1")
        shell.run(f"framering --socket {path} grab te\t", f"<--socket><{path}><grab><test:9x9@1>")


@pytest.mark.parametrize("start", [bash, zsh])
def test_a_shell_completes_the_files_to_write(
    socket: Path, start: Callable[[Path], Shell], tmp_path: Path
) -> None:
    needs(start.__name__)
    file = tmp_path / "picture.png"
    file.touch()
    with start(socket) as shell:
        shell.run(f"framering grab -o {tmp_path}/pi\t", f"<grab><-o><{file}>")
        shell.run(f"framering grab --output={tmp_path}/pi\t", f"<grab><--output={file}>")


TITLE = 'It\'s a $HOME window; 100% "quoted"'


@pytest.fixture(scope="module")
def desktop_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of a daemon on a desktop with one window, of TITLE."""
    path = tmp_path_factory.mktemp("desktop") / "socket"
    with Processes() as started:
        _, display = start_server(started, "320x200x24")
        started.start("xterm", ["xterm", "-display", display, "-T", TITLE, "-e", "sleep", "600"])
        start_daemon(started, path, "--display", display)
        wait_until(lambda: TITLE in run("framering", "--socket", path, "list").stdout)
        yield path


@pytest.mark.parametrize("start", [bash, zsh])
def test_a_shell_completes_monitors_and_windows_by_name_id_title_and_class(
    desktop_socket: Path, start: Callable[[Path], Shell]
) -> None:
    needs(start.__name__)
    listed = json.loads(run("framering", "--socket", desktop_socket, "list", "--json").stdout)
    (window,) = (window for window in listed["windows"] if window["title"] == TITLE)
    with start(desktop_socket) as shell:
        shell.run("framering grab monitor:s\t", "<grab><monitor:screen>")
        shell.run(f"framering watch {window['source'][:-2]}\t", f"<watch><{window['source']}>")
        shell.run("framering watch window:cl\t", "<watch><window:class=XTerm>")
        shell.run("framering grab --monitor s\t", "<grab><--monitor><screen>")
        shell.run("framering grab --window XT\t", "<grab><--window><XTerm>")
        shell.run("framering grab --window It\t", f"<grab><--window><{TITLE}>")


def test_fish_completes_monitors_and_windows_and_says_what_they_are(desktop_socket: Path) -> None:
    needs("fish")
    assert fish(desktop_socket, "framering grab monitor:") == ["monitor:screen"]
    assert fish(desktop_socket, "framering grab --monitor ") == ["screen"]
    assert set(fish(desktop_socket, "framering watch --window ")) == {"XTerm", TITLE}


def fish(socket: Path, line: str) -> list[str]:
    script = f"framering completion fish | source; complete -C '{line}'"
    output = run("fish", "--no-config", "-c", script, env={**ENV, "FRAMERING_SOCKET": str(socket)}).stdout
    return [candidate.split("\t")[0] for candidate in output.splitlines()]


def test_fish_completes_commands_options_values_and_live_sources(socket: Path) -> None:
    needs("fish")
    commands = ["completion", "doctor", "grab", "list", "mss", "policy", "reload", "stats", "top", "watch"]
    assert fish(socket, "framering ") == commands
    assert fish(socket, "framering gr") == ["grab"]
    assert fish(socket, "framering grab --") == [
        "--cursor",
        "--help",
        "--json",
        "--monitor",
        "--output",
        "--region",
        "--socket",
        "--timeout",
        "--window",
    ]
    assert fish(socket, "framering watch --mode ") == ["every", "latest"]
    assert fish(socket, "framering completion ") == ["bash", "fish", "zsh"]
    assert fish(socket, "framering policy ch") == ["check"]
    assert set(fish(socket, "framering policy check te")) == set(SOURCES)
    assert fish(socket, "framering top --") == ["--count", "--help", "--interval", "--socket"]
    assert set(fish(socket, "framering grab te")) == set(SOURCES)
    assert fish(socket, "framering --socket /nonexistent grab te") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_right_for_its_shell(tmp_path: Path, shell: str) -> None:
    needs(shell)
    script = tmp_path / "script"
    script.write_text(run("framering", "completion", shell).stdout)
    checked = run(shell, "-n", script)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_names_every_option_of_the_help(shell: str) -> None:
    script = run("framering", "completion", shell).stdout
    for name in ("list", "grab", "watch", "mss", "completion"):
        options = re.findall(r"--([a-z]+)", run("framering", name, "--help").stdout.split("Examples:")[0])
        for option in options:
            assert re.search(rf"(--|-l ){option}\b", script), f"{name} --{option}"
