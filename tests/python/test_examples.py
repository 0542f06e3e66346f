"""Each example of python-client/examples runs as it stands, on a desktop that changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import frameringd
from desktop import start_desktop
from processes import Processes

EXAMPLES = Path(__file__).parents[2] / "python-client/examples"

# What it is told, and a line that it must print.
RUNS = {
    "agent_loop.py": (["6"], "next action"),
    "rl_observation.py": ([], "step 0: frame"),
    "opencv_motion.py": (["6"], "areas [("),
    "torch_dataset.py": ([], "batch 3: (4, 3, 224, 224) torch.float32"),
    "record.py": (["video.mp4", "12"], "video.mp4: 12 frames"),
    "fan_out.py": (["5"], "mean"),
    "mss_program.py": (["."], "grabs a second of 1280x1024"),
}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("examples")
    with Processes() as processes:
        display = start_desktop(processes, folder, seconds=300)
        with frameringd("--source", "screen", "--display", display) as daemon:
            yield {**os.environ, "DISPLAY": display, "FRAMERING_SOCKET": str(daemon.socket)}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_an_example_runs(name: str, env: dict[str, str], tmp_path: Path) -> None:
    arguments, line = RUNS[name]
    command = [sys.executable, "-W", "error::ResourceWarning", EXAMPLES / name, *arguments]
    result = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert result.returncode == 0, result.stderr
    assert line in result.stdout, result.stdout
    if name == "record.py":
        import av

        with av.open(str(tmp_path / "video.mp4")) as video:
            frames = list(video.decode(video=0))
        assert len(frames) == 12
        assert (frames[0].width, frames[0].height) == (1280, 1024)
