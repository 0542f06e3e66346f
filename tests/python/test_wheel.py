"""The archive and the wheel of `./dev wheel`: what is in them, and that they serve where nothing else is."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import framering
import framering.mss
import pytest
from daemons import frameringd
from frames import STILL
from screens import desktop

ROOT = Path(__file__).parents[2]
DIST = ROOT / "build/dist"


def only(pattern: str, what: str) -> Path:
    found = list(DIST.glob(pattern))
    if not found:
        pytest.skip(f"there is no {what}: ./dev wheel")
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def wheel() -> Path:
    return only("framering-*.whl", "wheel")


@pytest.fixture(scope="module")
def archive() -> Path:
    return only("framering-*.tar.gz", "archive")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python environment that has the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    pip = [
        folder / "bin/python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    subprocess.run([*pip, wheel], check=True, timeout=110)
    return folder


def run(installed: Path, *command: object, **environment: str) -> str:
    env = {"PATH": f"{installed}/bin:/usr/bin:/bin", "HOME": str(installed), **environment}
    words = [str(word) for word in command]
    result = subprocess.run(words, env=env, cwd=installed, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_its_name_says_where_it_serves(wheel: Path) -> None:
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, version) == ("framering", framering.__version__)
    stable = sys.version_info >= (3, 12)
    assert python == ("cp312" if stable else f"cp{sys.version_info[0]}{sys.version_info[1]}")
    assert abi == ("abi3" if stable else python)
    assert platform.startswith("manylinux_2_")
    machine = sysconfig.get_platform().partition("-")[2]
    assert platform.endswith(machine)


def test_it_depends_on_nothing_and_names_its_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        facts = email.message_from_bytes(archive.read(metadata))
    required = facts.get_all("Requires-Dist") or []
    assert all("extra ==" in line for line in required)
    extras = {"cupy", "jax", "numpy", "opencv", "pil", "tensorflow", "torch"}
    assert set(facts.get_all("Provides-Extra") or []) == extras
    assert facts["Requires-Python"] == ">=3.10"
    for file in ("framering/py.typed", "framering/_core.pyi", "framering/mss/__main__.py"):
        assert file in names
    assert not [name for name in names if name.endswith((".cpp", ".h", ".a"))]


def test_all_that_its_programs_need_is_in_it_or_in_every_linux(wheel: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], capture_output=True, text=True, timeout=110
    )
    assert shown.returncode == 0, shown.stderr
    assert "manylinux_2_" in shown.stdout


def test_the_package_and_the_programs_run_without_anything_else(installed: Path) -> None:
    version = framering.__version__
    assert run(installed, "python", "-c", "import framering; print(framering.__version__)") == f"{version}\n"
    assert run(installed, "framering", "--version") == f"framering {version}\n"
    assert run(installed, "frameringd", "--version") == f"frameringd {version}\n"
    assert run(installed, "framering", "mss", "--version").strip() == framering.mss.__version__


def test_a_client_starts_the_wheels_own_daemon(installed: Path, tmp_path: Path) -> None:
    with desktop("64x48x24", "#336699") as display:
        output = run(
            installed,
            "python",
            "-W",
            "error",
            "-c",
            "from framering.mss import MSS\nwith MSS() as sct: print(sct.grab((0, 0, 1, 1)).pixels)",
            DISPLAY=display,
            FRAMERING_AUTOSTART="1",
            XDG_RUNTIME_DIR=str(tmp_path),
        )
    assert output == "[((51, 102, 153),)]\n"


def test_the_wheels_client_reads_frames(installed: Path) -> None:
    with frameringd("--source", STILL) as daemon:
        program = f"import framering\nprint(framering.open({STILL!r}).latest().shape)"
        assert run(installed, "python", "-c", program, FRAMERING_SOCKET=str(daemon.socket)) == "(48, 64, 4)\n"


def test_the_archive_has_all_that_a_build_needs_and_nothing_built(archive: Path) -> None:
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"pyproject.toml", "PKG-INFO", "LICENSE", "CMakeLists.txt", "proto/control.fbs"} <= names
    assert {"python-client/CMakeLists.txt", "python-client/src/framering/mss/base.py"} <= names
    assert not [name for name in names if name.startswith(("build", "tests", ".git"))]


def pythons() -> list[Path]:
    """Every interpreter from 3.10 on that is here, the present one first."""
    found = [
        path
        for root in (Path.home() / ".pyenv/versions", Path("/usr"))
        for path in (*root.glob("3.1[0-9]*/bin/python3"), *root.glob("bin/python3.1[0-9]"))
    ]
    return [Path(sys.executable), *sorted(found)]


def test_every_python_that_is_here_compiles_the_sources() -> None:
    """What they mean there, ruff's target version checks."""
    script = (
        "import sys, pathlib\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.py'):\n"
        "    compile(path.read_text(), str(path), 'exec')\n"
    )
    for python in pythons():
        subprocess.run(
            [python, "-W", "error", "-c", script, ROOT / "python-client"],
            env={"PATH": os.environ["PATH"]},
            check=True,
            timeout=60,
        )


# What needs no framework, and most of what differs between interpreters.
PORTABLE = ("async", "trio", "errors", "handle", "processes", "stats", "waits")


@pytest.mark.skipif("FRAMERING_PYTHONS" not in os.environ, reason="minutes: set FRAMERING_PYTHONS=1")
@pytest.mark.parametrize("python", pythons()[1:], ids=str)
@pytest.mark.timeout(1800)
def test_the_archive_builds_for_every_python_that_is_here_and_works(
    archive: Path, python: Path, tmp_path: Path
) -> None:
    """By what pip downloads for the build, as on a user's machine."""
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True, timeout=110)
    own = tmp_path / "venv/bin/python"
    packages = [f"{archive}[numpy]", "pytest", "pytest-timeout", "trio"]
    subprocess.run([own, "-m", "pip", "install", "--quiet", *packages], check=True, timeout=1200)
    tests = [ROOT / f"tests/python/test_{name}.py" for name in PORTABLE]
    options = ["-X", "dev", "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run([own, *options, *tests], cwd=ROOT, check=True, timeout=580)
