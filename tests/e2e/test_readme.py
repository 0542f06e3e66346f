"""The README's examples are the ones in tests/examples, ten lines each, and run as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo import start_daemon
from desktop import start_desktop
from processes import Processes

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests/examples"
README = (ROOT / "README.md").read_text()
CPP_PROGRAM = ROOT / "build/release/tests/read_frames"
SEQUENCE = re.compile(r"^\D*(\d+) ", re.M)


def block(language: str) -> str:
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)
    assert len(blocks) == 1, f"one {language} example in README.md"
    return blocks[0]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """For clients of a daemon that captures a live desktop."""
    folder = tmp_path_factory.mktemp("readme")
    with Processes() as processes:
        display = start_desktop(processes, folder, seconds=60)
        start_daemon(processes, display, folder / "socket")
        yield {**os.environ, "FRAMERING_SOCKET": str(folder / "socket")}


def test_the_examples_of_the_readme_are_the_tested_files() -> None:
    assert block("cpp") == (EXAMPLES / "read_frames.cpp").read_text()
    assert block("python") == (EXAMPLES / "read_frames.py").read_text()


@pytest.mark.parametrize("command", [[str(CPP_PROGRAM)], [sys.executable, str(EXAMPLES / "read_frames.py")]])
def test_an_example_reads_frames(env: dict[str, str], command: list[str]) -> None:
    result = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    sequences = [int(number) for number in SEQUENCE.findall(result.stdout)]
    assert len(sequences) == 10, result.stdout
    assert sequences == sorted(sequences)
    assert sequences[0] < sequences[-1], "a live desktop"


def test_links_in_the_readmes_lead_somewhere() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    )
    dead = [
        f"{name}: {link}"
        for name in tracked.stdout.split()
        for link in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text())
        if not (ROOT / name).parent.joinpath(link).exists()
    ]
    assert dead == []
