"""The package as it is installed: typed, documented, light to import, and as its examples say."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import framering
import framering.mss
import pytest
from frames import run

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python-client"


def test_the_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    """Names, signatures and docstrings: stubgen reads them from the built module."""
    generated = tmp_path / "_core.pyi"
    stubgen = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "framering._core"]
    subprocess.run([*stubgen, "-p", PACKAGE / "stubs.pat", "-o", generated], check=True, timeout=60)
    committed = PACKAGE / "src/framering/_core.pyi"
    assert generated.read_text() == committed.read_text(), "write it again as python-client/stubs.pat says"


def test_the_package_is_typed() -> None:
    files = importlib.resources.files("framering")
    assert files.joinpath("py.typed").is_file()
    assert files.joinpath("_core.pyi").is_file()


USES_IT_WELL = """
import framering
import numpy as np

with framering.open("screen", max_fps=30, mode="every", socket="/tmp/socket") as stream:
    for frame in stream:
        pixels = frame.numpy()
        view = memoryview(frame)
        also = np.asarray(frame), np.from_dlpack(frame)
        x: int = frame.damage[0].width + stream.missed
        memory: framering.Memory = frame.memory
        pixel_format: framering.PixelFormat = frame.format
        cursor: framering.Cursor | None = frame.cursor
        shape: framering.CursorShape | None = cursor.shape if cursor else None
        if frame.format == "BGRX8888" and frame.release():
            break
mode: framering.Mode = stream.mode
how: framering.CursorMode = stream.cursor
stats: framering.StreamStats = stream.stats
monitors: list[framering.MonitorInfo] = framering.monitors()
windows: list[framering.WindowInfo] = framering.windows()
watch: framering.DesktopWatch = framering.watch_desktop()


def prepared(
    frame: framering.Frame,
    channels: framering.Channels,
    layout: framering.Layout,
    resize: framering.Resize,
    queue: framering.CudaStream,
) -> None:
    framering.to_numpy(frame, channels=channels, layout=layout, resize=resize)
    frame.release(stream=queue)


try:
    streams: list[framering.StreamInfo] = framering.connect().list()
except framering.Error as error:
    code: framering.ErrorCode = error.code
    print(error.hint, code)
"""
USES_IT_BADLY = {
    'framering.open(mode="newest")': "arg-type",
    "framering.open(memory=1)": "arg-type",
    'framering.open().next(timeout="1")': "arg-type",
    "framering.open().latest().valid()": "operator",
    "framering.open().latest().pixels": "attr-defined",
    'framering.open().latest().format == "BGRA"': "comparison-overlap",
}


# Tensors are not what is checked here, and torch alone would take longer than all the rest.
WITHOUT_TORCH = "[mypy]\nstrict = true\n[mypy-torch.*]\nfollow_imports = skip\n"


def mypy(folder: Path, program: str) -> str:
    file, configuration = folder / "program.py", folder / "mypy.ini"
    file.write_text(program)
    configuration.write_text(WITHOUT_TORCH)
    command = [sys.executable, "-m", "mypy", "--config-file", configuration]
    command += ["--cache-dir", folder / "cache", file]
    return subprocess.run(command, capture_output=True, text=True, timeout=110).stdout


def test_a_type_checker_accepts_good_uses_and_names_bad_ones(tmp_path: Path) -> None:
    assert mypy(tmp_path, USES_IT_WELL).startswith("Success")
    bad = mypy(tmp_path, "import framering\n" + "\n".join(USES_IT_BADLY) + "\n")
    for line, kind in enumerate(USES_IT_BADLY.values(), 2):
        assert any(f"program.py:{line}:" in said and f"[{kind}]" in said for said in bad.splitlines()), bad


@pytest.mark.parametrize("module", [framering, framering.mss], ids=["framering", "framering.mss"])
def test_every_public_name_is_documented(module: ModuleType) -> None:
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
            continue
        assert thing.__doc__, name
        # What dataclass writes for a class that says nothing.
        assert not thing.__doc__.startswith(f"{name}("), name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if member.startswith("_") or not (callable(value) or isinstance(value, property)):
                continue
            assert value.__doc__, f"{name}.{member}"


def test_the_readme_names_what_there_is() -> None:
    readme = (PACKAGE / "README.md").read_text()
    for kind in (framering.Frame, framering.Stream, framering.Connection):
        for name in vars(kind):
            assert name.startswith("_") or name in readme, f"{kind.__name__}.{name}"
    for name in framering.__all__:
        assert name.startswith("_") or name in readme, name


def test_one_version_for_package_and_module() -> None:
    assert framering.__version__ == importlib.metadata.version("framering")


def test_importing_it_imports_no_numpy_and_warns_of_nothing() -> None:
    assert run("import sys, framering; print('numpy' in sys.modules)") == "False\n"


def test_without_numpy_all_but_numpy_works(test_socket: str) -> None:
    output = run(
        """
        import sys
        sys.modules["numpy"] = None
        import framering
        with framering.open("test:64x48@240", socket=sys.argv[1]) as stream, stream.latest() as frame:
            print(memoryview(frame).shape, len(bytes(frame)), frame.shape)
            try:
                frame.numpy()
            except ImportError as error:
                print("numpy" in str(error))
        """,
        test_socket,
    )
    assert output == "(48, 64, 4) 12288 (48, 64, 4)\nTrue\n"


def test_the_readmes_example_is_the_tested_one() -> None:
    example = (ROOT / "tests/examples/read_frames.py").read_text()
    assert f"```python\n{example}```" in (PACKAGE / "README.md").read_text()
