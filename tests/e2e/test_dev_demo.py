"""`./dev demo` shows the whole path at work, says so if it does not, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^(C\+\+|Python 1|Python 2) +(?P<frames>\d+) +(?P<unique>\d+) +[\d.]+ +(?P<p50>[\d.]+) +[\d.]+ +\d+$",
    re.M,
)


class Demo:
    """`./dev demo` as a terminal runs it: in a process group of its own. Its processes carry a mark."""

    def __init__(self, *arguments: str, **env: str) -> None:
        self.mark = f"FRAMERING_DEMO_TEST={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.child = subprocess.Popen(
            [ROOT / "dev", "demo", *arguments],
            env={key: text for key, text in os.environ.items() if key != "DISPLAY"} | env | {name: value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_capture(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            if line.startswith("Capturing"):
                return
        raise AssertionError("the demo ended before it captured anything")

    def processes(self) -> list[str]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:  # ended meanwhile
                continue
        return found


@pytest.fixture
def folder_of_temporaries(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == [], "the demo left files"


def test_three_processes_read_one_live_desktop_and_write_a_picture(
    tmp_path: Path, folder_of_temporaries: Path
) -> None:
    png = tmp_path / "demo.png"
    demo = Demo("--png", str(png), TMPDIR=str(folder_of_temporaries))
    output, errors = demo.child.communicate(timeout=100)
    assert demo.child.returncode == 0, errors
    rows = list(ROW.finditer(output))
    assert [row[1] for row in rows] == ["C++", "Python 1", "Python 2"], output
    for row in rows:
        assert int(row["frames"]) >= int(row["unique"]) >= 50
        assert 0 < float(row["p50"]) < 100
    with Image.open(png) as image:
        assert image.size == (1280, 1024)
        assert image.getcolors(maxcolors=8) is None, "fewer colours than the programs draw with"
    assert demo.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_process(
    tmp_path: Path, folder_of_temporaries: Path, number: signal.Signals
) -> None:
    demo = Demo("--png", str(tmp_path / "demo.png"), TMPDIR=str(folder_of_temporaries))
    demo.wait_for_capture()
    time.sleep(2)
    assert len(demo.processes()) > 8, "the demo, its X server, five programs, the daemon and three readers"
    os.killpg(demo.child.pid, number)
    demo.child.communicate(timeout=20)
    assert demo.child.returncode == 128 + number
    assert demo.processes() == []


def test_killed_outright_it_takes_its_processes_along(tmp_path: Path) -> None:
    demo = Demo("--png", str(tmp_path / "demo.png"), TMPDIR=str(tmp_path))
    demo.wait_for_capture()
    time.sleep(2)
    demo.child.kill()
    demo.child.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while demo.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.processes() == []


def test_a_display_that_does_not_answer_is_named(tmp_path: Path, folder_of_temporaries: Path) -> None:
    demo = Demo("--png", str(tmp_path / "demo.png"), DISPLAY=":987", TMPDIR=str(folder_of_temporaries))
    _, errors = demo.child.communicate(timeout=60)
    assert demo.child.returncode == 1
    assert ":987" in errors
    assert demo.processes() == []
    assert not (tmp_path / "demo.png").exists()
