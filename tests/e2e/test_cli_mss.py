"""`framering mss` is the Python package's command, whatever stands behind the word."""

import shutil
from pathlib import Path

from programs import ENV, Screen, command, run


def test_mss_is_the_python_packages_command_with_all_that_stands_behind_the_word(
    screen: Screen, tmp_path: Path
) -> None:
    env = {**ENV, "DISPLAY": screen.display}
    for words, says in ((["--help"], "usage: mss "), (["-h"], "usage: mss "), (["--version"], "11.")):
        result = run("framering", "mss", *words, env=env)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith(says)
    result = command(screen.socket, "mss", "-m", "1", "-o", tmp_path / "m-{mon}.png", env=env)
    assert (result.returncode, result.stdout) == (0, f"{tmp_path}/m-1.png\n"), result.stderr
    assert (tmp_path / "m-1.png").read_bytes()[:4] == b"\x89PNG"
    assert command(screen.socket, "mss", "--socket", "x", env=env).returncode == 2
    assert command(tmp_path / "none", "mss", "-q", env=env).returncode == 1


def test_mss_without_a_python_says_what_is_missing(tmp_path: Path) -> None:
    program = tmp_path / "framering"
    program.symlink_to(shutil.which("framering") or "")
    result = run(program, "mss", "-q", env={"PATH": "/nowhere"})
    assert result.returncode == 1
    assert result.stderr == (
        "framering: cannot run python3: No such file or directory\n"
        "  framering mss is a part of the Python package: pip install framering\n"
    )
