"""What the Debian packages hold, and what their units and man pages say. Nothing is installed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from machine import ROOT

MULTIARCH = "usr/lib/x86_64-linux-gnu"
PROGRAMS = {
    "etc/framering.toml",
    "usr/bin/framering",
    "usr/bin/framering-session",
    "usr/bin/frameringd",
    "usr/lib/systemd/system/frameringd.service",
    "usr/lib/systemd/system/frameringd.socket",
    "usr/lib/systemd/system/frameringd@.service",
    "usr/lib/systemd/user/framering-session.service",
    "usr/lib/systemd/user/frameringd.service",
    "usr/lib/systemd/user/frameringd.socket",
    "usr/lib/sysusers.d/framering.conf",
    "usr/lib/tmpfiles.d/framering.conf",
    "usr/share/bash-completion/completions/framering",
    "usr/share/zsh/site-functions/_framering",
    "usr/share/fish/vendor_completions.d/framering.fish",
    "usr/share/man/man1/framering-session.1.gz",
    "usr/share/man/man1/framering.1.gz",
    "usr/share/man/man5/framering.toml.5.gz",
    "usr/share/man/man8/frameringd.8.gz",
}
HEADERS = {path.name.removesuffix(".in") for path in (ROOT / "client/include/framering").iterdir()}
LIBRARY = {
    f"{MULTIARCH}/libframering.a",
    f"{MULTIARCH}/pkgconfig/framering.pc",
    f"{MULTIARCH}/cmake/framering/framering-config.cmake",
    *(f"usr/include/framering/{name}" for name in HEADERS),
}


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def check(*words: object, **options: object) -> str:
    result = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=100, **options
    )  # type: ignore[call-overload]
    assert result.returncode == 0, f"{words}\n{result.stdout}\n{result.stderr}"
    return str(result.stdout)


@pytest.fixture
def unpacked(programs_package: Path, tmp_path: Path) -> Path:
    check("dpkg-deb", "--extract", programs_package, tmp_path)
    return tmp_path


def files_of(package: Path, folder: Path) -> set[str]:
    check("dpkg-deb", "--extract", package, folder)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_each_package_holds_its_part(programs_package: Path, library_package: Path, tmp_path: Path) -> None:
    programs = files_of(programs_package, tmp_path / "programs")
    library = files_of(library_package, tmp_path / "library")
    assert programs >= PROGRAMS
    assert {path for path in programs if not path.startswith("usr/share/doc/framering/")} == PROGRAMS
    assert library >= LIBRARY
    assert not programs & library


@needs("lintian")
def test_lintian_finds_no_error(programs_package: Path, library_package: Path) -> None:
    result = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", programs_package, library_package],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stdout + result.stderr


# --- units ---


def analyze(folder: Path, *arguments: str) -> str:
    units = folder / "usr/lib/systemd/system"
    return check("systemd-analyze", "--no-pager", *arguments, cwd=units)


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", ["frameringd.service", "frameringd@.service"])
@pytest.mark.parametrize(("gpu", "limit"), [(False, 1.0), (True, 2.0)])
def test_the_services_are_exposed_to_little(unpacked: Path, unit: str, gpu: bool, limit: float) -> None:
    if gpu:
        drop_in = unpacked / f"usr/lib/systemd/system/{unit}.d/gpu.conf"
        drop_in.parent.mkdir()
        shutil.copy(unpacked / "usr/share/doc/framering/examples/gpu.conf", drop_in)
    told = analyze(unpacked, "security", "--offline=yes", f"./{unit}")
    level = re.search(r"Overall exposure level for .*: ([0-9.]+)", told)
    assert level
    assert float(level[1]) <= limit, told
    assert ("PrivateDevices=" in re.findall(r"✗ (\S+)", told)) == gpu


def test_both_services_are_hardened_alike(unpacked: Path) -> None:
    parts = []
    for unit in ("frameringd.service", "frameringd@.service"):
        text = (unpacked / "usr/lib/systemd/system" / unit).read_text()
        parts.append(text[text.index("# --- hardening") : text.index("[Install]")])
    assert parts[0] == parts[1]


# --- man pages ---

PAGES = ("man1/framering.1", "man1/framering-session.1", "man5/framering.toml.5", "man8/frameringd.8")


def rendered(folder: Path, page: str) -> str:
    env = {"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": "0"}
    words = ("man", "--warnings", "-E", "UTF-8", "-l", folder / f"usr/share/man/{page}.gz")
    result = subprocess.run(words, capture_output=True, text=True, timeout=60, env=env)
    assert (result.returncode, result.stderr) == (0, "")
    return re.sub(r".\x08", "", result.stdout)


@needs("man")
@pytest.mark.parametrize("page", PAGES)
def test_a_man_page_is_rendered_without_a_warning(unpacked: Path, page: str) -> None:
    assert "SEE ALSO" in rendered(unpacked, page)


def options_of(folder: Path, program: str, *commands: str) -> set[str]:
    text = check(folder / "usr/bin" / program, *commands, "--help")
    return set(re.findall(r"--[a-z][a-z-]*", text))


@needs("man")
def test_the_man_pages_explain_every_option_and_command(unpacked: Path) -> None:
    told = rendered(unpacked, "man8/frameringd.8")
    assert {option for option in options_of(unpacked, "frameringd") if option not in told} == set()
    told = rendered(unpacked, "man1/framering-session.1")
    assert {option for option in options_of(unpacked, "framering-session") if option not in told} == set()
    told = rendered(unpacked, "man1/framering.1")
    overview = check(unpacked / "usr/bin/framering", "--help")
    commands = re.findall(
        r"^  ([a-z]+) {2,}\S", overview.split("Subcommands:")[1].split("Examples:")[0], re.M
    )
    assert len(commands) >= 4
    for command in commands:
        assert re.search(rf"^ +{command}$", told, re.M), command
        if command == "mss":
            continue  # its options are the Python package's
        missing = {option for option in options_of(unpacked, "framering", command) if option not in told}
        assert missing == set(), command


@needs("man")
def test_the_man_pages_name_the_installed_configuration(unpacked: Path) -> None:
    for page in PAGES[2:]:
        assert "/etc/framering.toml" in rendered(unpacked, page)
    unit = (unpacked / "usr/lib/systemd/system/frameringd.service").read_text()
    assert "ExecStart=/usr/bin/frameringd --config /etc/framering.toml\n" in unit
