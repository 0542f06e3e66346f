"""What `cmake --install` puts where, and that a stranger's program can be built and run with that alone."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from demo import start_daemon as start_screen_daemon
from desktop import start_desktop
from processes import Processes
from programs import ENV, ROOT, run, start_daemon

EXAMPLE = ROOT / "tests/examples/read_frames.cpp"
HEADERS = {path.name.removesuffix(".in") for path in (ROOT / "client/include/framering").iterdir()}
COMPLETIONS = {
    "bash": "share/bash-completion/completions/framering",
    "zsh": "share/zsh/site-functions/_framering",
    "fish": "share/fish/vendor_completions.d/framering.fish",
}
MAN_PAGE = "share/man/man1/framering.1.gz"
CXX = os.environ.get("CXX", "c++")
BUILD_S = 600  # one build of the client on a busy machine

pytestmark = pytest.mark.timeout(BUILD_S)


@dataclass(frozen=True)
class Installed:
    prefix: Path
    shared: bool

    def files(self) -> set[str]:
        return {
            path.relative_to(self.prefix).as_posix()
            for path in self.prefix.rglob("*")
            if path.is_symlink() or path.is_file()
        }


def check(*command: object, **options: object) -> str:
    result = run(*command, timeout=BUILD_S, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return str(result.stdout)


def install(build: Path, prefix: Path, *arguments: object) -> Path:
    """Installs and moves what was installed, so that nothing may name the place where it was put."""
    elsewhere = prefix.with_name(prefix.name + "-elsewhere")
    check("cmake", "--install", build, "--prefix", elsewhere, *arguments)
    return elsewhere.rename(prefix)


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The release build, as it stands there."""
    return Installed(install(ROOT / "build/release", tmp_path_factory.mktemp("static") / "prefix"), False)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A build of the client alone, with a shared library."""
    folder = tmp_path_factory.mktemp("shared")
    options = {"BUILD_SHARED_LIBS": "ON", "FRAMERING_DAEMON": "OFF", "FRAMERING_TESTS": "OFF"}
    words = [f"-D{name}={value}" for name, value in options.items()]
    check("cmake", "-G", "Ninja", "-S", ROOT, "-B", folder / "build", *words)
    check("cmake", "--build", folder / "build", "--parallel", "2")
    return Installed(install(folder / "build", folder / "prefix"), True)


@pytest.fixture(params=["static", "shared"])
def installed(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """For clients of a daemon that captures a live desktop."""
    folder = tmp_path_factory.mktemp("desktop")
    with Processes() as processes:
        display = start_desktop(processes, folder, seconds=BUILD_S)
        start_screen_daemon(processes, display, folder / "socket")
        yield {**ENV, "FRAMERING_SOCKET": str(folder / "socket")}


# --- what is there ---


def test_every_file_is_where_it_belongs(installed: Installed) -> None:
    package = "lib/cmake/framering/framering-"
    client = {
        "bin/framering",
        "lib/pkgconfig/framering.pc",
        *(f"include/framering/{name}" for name in HEADERS),
        *(
            f"{package}{name}.cmake"
            for name in ("config", "config-version", "targets", "targets-relwithdebinfo")
        ),
        *COMPLETIONS.values(),
        MAN_PAGE,
    }
    if installed.shared:
        libraries = {f"lib/libframering.so{version}" for version in ("", ".0.1", ".0.1.0")}
        assert installed.files() == client | libraries
    else:
        assert installed.files() >= client | {"lib/libframering.a", "bin/frameringd"}


def test_the_components_are_library_command_and_daemon(static: Installed, tmp_path: Path) -> None:
    parts = {}
    for name in ("library", "command", "daemon"):
        prefix = install(ROOT / "build/release", tmp_path / name, "--component", name)
        parts[name] = Installed(prefix, shared=False).files()
    assert parts["daemon"] >= {
        "bin/frameringd",
        "lib/systemd/system/frameringd.service",
        "etc/framering.toml",
    }
    assert parts["command"] == {"bin/framering", MAN_PAGE, *COMPLETIONS.values()}
    assert all(name.startswith(("include/", "lib/")) for name in parts["library"])
    assert parts["library"] | parts["command"] | parts["daemon"] == static.files()
    assert sum(map(len, parts.values())) == len(static.files()), "each file is in one of them"


def test_no_text_names_a_place_of_the_build_or_of_the_installation(installed: Installed) -> None:
    for name in installed.files():
        content = (installed.prefix / name).read_bytes()
        if b"\0" in content:
            continue  # programs and libraries have debug information
        for place in (ROOT, installed.prefix, installed.prefix.parent):
            assert os.fsencode(place) not in content, name


def test_the_completion_scripts_are_those_that_the_command_prints(installed: Installed) -> None:
    for shell, name in COMPLETIONS.items():
        assert (installed.prefix / name).read_text() == run("framering", "completion", shell).stdout


def test_the_command_finds_its_library(installed: Installed) -> None:
    assert check(installed.prefix / "bin/framering", "--version").startswith("framering ")


def test_a_shared_library_shows_the_public_api_alone(shared: Installed) -> None:
    table = check("nm", "-DC", "--defined-only", shared.prefix / "lib/libframering.so")
    symbols = [line.split(" ", 2)[2] for line in table.splitlines()]
    owner = re.compile(r"(?:typeinfo for |typeinfo name for |vtable for |void )?(?P<name>[\w:]+)")
    owners = {match["name"] for symbol in symbols if (match := owner.match(symbol))}
    assert "framering::Connection::connect" in owners
    ours = {name for name in owners if not name.startswith(("std::", "__gnu_cxx::", "void"))}
    assert [name for name in ours if not re.match(r"framering::(\w+$|[A-Z]\w+::)", name)] == []


def test_a_shared_library_needs_only_the_system(shared: Installed) -> None:
    needed = re.findall(r"NEEDED.*\[(.+)\]", check("readelf", "-d", shared.prefix / "lib/libframering.so"))
    assert set(needed) <= {"libc.so.6", "libgcc_s.so.1", "libm.so.6", "libstdc++.so.6"}


# --- the headers ---


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_public_header_compiles_alone_and_without_a_warning(static: Installed, name: str) -> None:
    flags = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
    include = ["-I", static.prefix / "include", "-include", f"framering/{name}"]
    check(CXX, *flags, *include, "-fsyntax-only", "-x", "c++", "/dev/null")


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_public_header_mentions_no_library_behind_it(static: Installed, name: str) -> None:
    text = (static.prefix / "include/framering" / name).read_text()
    assert re.findall(r"asio|boost|flatbuffers|spdlog|\bfmt\b|xcb|x11|proto/|_generated", text, re.I) == []


# --- a stranger's program ---

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES CXX)
find_package(framering {version} REQUIRED)
add_executable(read_frames read_frames.cpp)
target_link_libraries(read_frames PRIVATE framering::framering)
"""


def write_project(folder: Path, version: str) -> None:
    (folder / "CMakeLists.txt").write_text(PROJECT.format(version=version))
    (folder / "read_frames.cpp").write_text(EXAMPLE.read_text())


def reads_frames(program: Path, env: dict[str, str]) -> None:
    lines = check(program, env=env).splitlines()
    assert len(lines) == 10
    sequences = [int(line.split()[0]) for line in lines]
    assert sequences == sorted(set(sequences))


def test_a_program_is_built_with_find_package(
    installed: Installed, env: dict[str, str], tmp_path: Path
) -> None:
    write_project(tmp_path, "0.1")
    check("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed.prefix}")
    check("cmake", "--build", tmp_path / "build")
    reads_frames(tmp_path / "build/read_frames", env)


def test_a_program_is_built_with_pkg_config(
    installed: Installed, env: dict[str, str], tmp_path: Path
) -> None:
    kind = [] if installed.shared else ["--static"]
    found = {**ENV, "PKG_CONFIG_PATH": str(installed.prefix / "lib/pkgconfig")}
    flags = check("pkg-config", "--cflags", "--libs", *kind, "framering", env=found).split()
    program = tmp_path / "read_frames"
    check(CXX, "-std=c++20", "-Wall", "-Werror", EXAMPLE, *flags, "-o", program)
    reads_frames(program, {**env, "LD_LIBRARY_PATH": str(installed.prefix / "lib")})
    assert ("libframering" in check("readelf", "-d", program)) == installed.shared


def test_pkg_config_and_cmake_know_the_version(static: Installed, tmp_path: Path) -> None:
    found = {**ENV, "PKG_CONFIG_PATH": str(static.prefix / "lib/pkgconfig")}
    version = check("pkg-config", "--modversion", "framering", env=found).strip()
    assert check("framering", "--version") == f"framering {version}\n"
    for asked, is_there in ((version, True), ("0.0.9", False), ("0.2", False), ("1", False)):
        write_project(tmp_path, asked)
        build = tmp_path / f"build-{asked}"
        result = run("cmake", "-S", tmp_path, "-B", build, f"-DCMAKE_PREFIX_PATH={static.prefix}")
        assert (result.returncode == 0) == is_there, asked


def test_the_example_of_the_clients_readme_is_the_tested_one() -> None:
    assert f"```cpp\n{EXAMPLE.read_text()}```" in (ROOT / "client/README.md").read_text()


# --- Python ---

READ_A_FRAME = """
import sys, framering
with framering.open("test:64x48@60", socket=sys.argv[1]) as stream, stream.latest() as frame:
    print(framering.__file__, len(bytes(frame)))
"""


def test_pip_installs_the_python_client_into_a_fresh_environment(tmp_path: Path) -> None:
    before = set((ROOT / "python-client").rglob("*"))
    check(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    check(python, "-m", "pip", "install", "--disable-pip-version-check", ROOT / "python-client")
    with Processes() as processes:
        start_daemon(processes, tmp_path / "socket", "--source", "test:64x48@60")
        path, size = check(python, "-c", READ_A_FRAME, tmp_path / "socket", cwd=tmp_path).split()
    assert Path(path).is_relative_to(tmp_path / "venv")
    assert int(size) == 64 * 48 * 4
    owned = check(python, "-m", "pip", "show", "--files", "framering")
    assert re.findall(r"\.(?:a|h|cmake|pc)$|bin/", owned, re.M) == [], (
        "the C++ client's files are in the wheel"
    )
    assert set((ROOT / "python-client").rglob("*")) == before, "building left files among the sources"
