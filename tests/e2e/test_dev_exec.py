"""`./dev exec` runs a command with what the tree builds, whatever was built before."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_programs_and_the_package_are_there_after_another_target_was_built(tmp_path: Path) -> None:
    (ROOT / "build/bin/framering").unlink()  # as `./dev demo` leaves a fresh clone
    script = "framering --version && frameringd --version && python -c 'import framering' && pwd"
    done = subprocess.run(
        [ROOT / "dev", "exec", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["framering", "frameringd"]
    assert lines[2] == str(tmp_path), "it runs where it was called"


def test_the_exit_code_is_the_commands(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "dev", "exec", "sh", "-c", "exit 7"], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 7, done.stderr
