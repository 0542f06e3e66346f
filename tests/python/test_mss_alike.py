"""framering.mss beside the real mss on one X server: the same calls, the same outcomes."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import framering.mss
import mss
import mss.tools
import numpy as np
import pytest
from mss_sides import HEIGHT, SIDES, WIDTH, Outcome, facts, noise_screen, outcome


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with noise_screen(tmp_path_factory.mktemp("noise")) as display:
        yield display


@pytest.fixture(autouse=True)
def _the_screen(screen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def both(call: Callable[[Any], Any]) -> tuple[Outcome, Outcome]:
    theirs, ours = (outcome(side, call) for side in SIDES)
    assert (ours.error, ours.warnings) == (theirs.error, theirs.warnings), (theirs, ours)
    return theirs, ours


def same(call: Callable[[Any], Any]) -> Any:
    """The value that both give; their errors have one message."""
    theirs, ours = both(call)
    assert (ours.value, ours.message) == (theirs.value, theirs.message)
    return ours.value


# --- regions ---


def test_the_picture_is_noise() -> None:
    """Or all that follows would prove little."""
    with mss.MSS() as theirs:
        pixels = np.asarray(theirs.grab((0, 0, WIDTH, HEIGHT)))[..., :3]
    assert pixels.std() > 60
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > WIDTH * HEIGHT * 0.9


def generated_regions(count: int) -> Iterator[tuple[str, Any]]:
    """Regions of every kind: most inside, some beyond an edge, some of no or negative size."""
    dice = random.Random(20)
    for number in range(count):
        left, top = dice.randint(-3, WIDTH), dice.randint(-3, HEIGHT)
        width, height = dice.randint(-1, WIDTH - max(left, 0) + 1), dice.randint(-1, HEIGHT - max(top, 0) + 1)
        if number % 7 == 0:
            left, top, width, height = dice.choice(
                [(0, 0, WIDTH, HEIGHT), (WIDTH - 1, HEIGHT - 1, 1, 1), (0, 0, 1, HEIGHT), (0, 9, WIDTH, 1)]
            )
        kind = number % 3
        if kind == 0:
            yield "tuple", (left, top, left + width, top + height)
        elif kind == 1:
            yield "dict", {"left": left, "top": top, "width": width, "height": height}
        else:
            yield "more", {"top": top, "height": height, "mon": 3, "left": left, "x": "y", "width": width}


@pytest.mark.parametrize("shift", range(6))
def test_grab_gives_the_same_pixels_and_geometry_and_refuses_the_same(shift: int) -> None:
    counts = {"same": 0, "refused": 0}
    with mss.MSS() as theirs, framering.mss.MSS() as ours:
        grabbers = {mss: theirs, framering.mss: ours}
        for number, (_, region) in enumerate(generated_regions(300)):
            if number % 6 != shift:
                continue
            theirs_said, ours_said = both(lambda side, region=region: facts(grabbers[side].grab(region)))
            assert ours_said.value == theirs_said.value, region
            counts["refused" if ours_said.error else "same"] += 1
            if "zero or negative" in theirs_said.message:
                assert ours_said.message == theirs_said.message
    assert counts["same"] >= 20
    assert counts["refused"] >= 2


@pytest.mark.parametrize(
    "region",
    [
        (0, 0, 5),
        [0, 0, 5, 5],
        None,
        "screen",
        1,
        {},
        {"width": 5, "height": 5},
        {"width": 5, "height": 5, "left": 1},
        {"left": 0.5, "top": 0, "width": 5, "height": 5},
        {"left": 0, "top": 0, "width": 5.0, "height": 5},
        {"left": "0", "top": 0, "width": 5, "height": 5},
        {"left": 0, "top": 0, "width": "5", "height": 5},
        {"left": 0, "top": 0, "width": None, "height": 5},
        {"left": np.int64(3), "top": 0, "width": np.int64(5), "height": 5},
        np.array([0, 0, 5, 5]),
        (0, 0, 100_000, 100_000),
    ],
    ids=repr,
)
def test_what_is_no_region_is_refused_alike(region: Any) -> None:
    theirs, ours = both(lambda side: facts(side.MSS().grab(region)))
    assert ours.value == theirs.value


def test_a_region_outside_is_named_with_the_pictures_size() -> None:
    with (
        framering.mss.MSS() as ours,
        pytest.raises(framering.mss.ScreenShotError, match=r"20x300\+390\+0 is not within .* 400x300"),
    ):
        ours.grab((390, 0, 410, 300))


# --- monitors ---


def test_monitors_are_the_same_dicts() -> None:
    def listed(side: Any) -> list[dict[str, Any]]:
        return [dict(monitor) for monitor in side.MSS().monitors]

    monitors = same(listed)
    assert [monitor["width"] for monitor in monitors] == [WIDTH, 180, 220]
    same(lambda side: dict(side.MSS().primary_monitor))


@pytest.mark.parametrize("key", ["left", "is_primary", "output", "name", "nothing", 3])
def test_a_monitors_keys_are_looked_up_alike(key: Any) -> None:
    same(lambda side: side.MSS().monitors[1].get(key))
    same(lambda side: key in side.MSS().monitors[1])
    if key != "name":  # None with MSS 11, missing with MSS 10
        same(lambda side: side.MSS().monitors[1][key])


def test_each_monitor_is_grabbed_alike() -> None:
    for number in range(3):
        same(lambda side, number=number: (lambda s: facts(s.grab(s.monitors[number])))(side.MSS()))


# --- objects ---

CALLS: dict[str, Callable[[Any], Any]] = {
    "positional": lambda m: m.MSS("x"),
    "unknown": lambda m: m.MSS(nothing=1),
    "backend": lambda m: m.MSS(backend="XLIB").grab((0, 0, 1, 1)).size[0],
    "no backend": lambda m: m.MSS(backend="gdi"),
    "None as backend": lambda m: m.MSS(backend=None),
    "max_displays": lambda m: m.MSS(max_displays=3).monitors[0]["width"],
    "empty display": lambda m: m.MSS(display=b"").monitors[0]["width"],
    "factory": lambda m: m.mss(compression_level=3).compression_level,
    "linux": lambda m: __import__(m.__name__ + ".linux", fromlist=["MSS"]).MSS().monitors[0]["width"],
    "base": lambda m: __import__(m.__name__ + ".base", fromlist=["MSSBase"]).MSSBase is m.MSS,
    "read-only": lambda m: setattr(m.MSS(), "with_cursor", True),
    "settable": lambda m: setattr(m.MSS(), "compression_level", 9),
    "no monitor": lambda m: list(m.MSS().save(mon=7)),
    "monitor -2": lambda m: list(m.MSS().save(mon=-3)),
    "mon as text": lambda m: list(m.MSS().save(mon="1")),
    "mon as None": lambda m: list(m.MSS().save(mon=None)),
    "no folder": lambda m: m.MSS().shot(output="none/x.png"),
    "no field": lambda m: m.MSS().shot(output="x-{nothing}.png"),
    "bad format": lambda m: m.MSS().shot(output="x-{mon"),
    "shot by position": lambda m: m.MSS().shot(1),
    "save by position": lambda m: m.MSS().save(1),
    "pixels": lambda m: m.ScreenShot.from_size(bytearray(range(16)), 2, 2).pixels,
    "pixel": lambda m: m.ScreenShot.from_size(bytearray(range(16)), 2, 2).pixel(1, 0),
    "pixel outside": lambda m: m.ScreenShot.from_size(bytearray(16), 2, 2).pixel(5, 7),
    "pixel from behind": lambda m: m.ScreenShot.from_size(bytearray(range(16)), 2, 2).pixel(-1, -1),
    "of data": lambda m: repr(m.ScreenShot(bytearray(16), {"left": 1, "top": 2, "width": 2, "height": 2})),
    "with size": lambda m: repr(
        m.ScreenShot(bytearray(16), {"left": 1, "top": 2, "width": 1, "height": 1}, size=m.models.Size(2, 2))
    ),
    "error": lambda m: (str(m.ScreenShotError("x")), m.ScreenShotError("x").details),
    "error's details": lambda m: m.ScreenShotError("x", details={"a": 1}).details,
    "error by keyword": lambda m: m.ScreenShotError(message="x"),
    "names": lambda m: sorted(
        name for name in ("MSS", "ScreenShot", "ScreenShotError", "mss") if name in m.__all__
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_objects_behave_alike(call: Callable[[Any], Any]) -> None:
    theirs, ours = both(call)
    assert ours.value == theirs.value
    if ours.error not in (TypeError, AttributeError, FileNotFoundError, None):
        assert ours.message == theirs.message


def closed_grab(side: Any) -> Any:
    sct = side.MSS()
    sct.close()
    sct.close()
    return sct.grab((0, 0, 1, 1))


def closed_monitors(side: Any) -> Any:
    with side.MSS() as sct:
        pass
    return sct.monitors


def closed_known_monitors(side: Any) -> Any:
    with side.MSS() as sct:
        assert sct.monitors
    return len(sct.monitors)


@pytest.mark.parametrize("call", [closed_grab, closed_monitors, closed_known_monitors])
def test_a_closed_object_says_so_alike(call: Callable[[Any], Any]) -> None:
    same(call)


def test_screenshots_outlive_their_object_and_each_other() -> None:
    for side in SIDES:
        with side.MSS() as sct:
            shots = [sct.grab((n, n, n + 20, n + 10)) for n in range(8)]
        seen = [bytes(shot.rgb) for shot in shots]
        with side.MSS() as sct:
            assert seen == [bytes(sct.grab((n, n, n + 20, n + 10)).rgb) for n in range(8)]


# --- files ---

PATTERNS = [
    "monitor-{mon}.png",
    "{mon}-{top}x{left}_{width}x{height}.png",
    "{output}-{is_primary}-{mon:03}.png",
    "plain.png",
    "{date:%Y}.png",
]


@pytest.mark.parametrize("output", PATTERNS)
@pytest.mark.parametrize("mon", [-1, 0, 1, 2])
def test_save_writes_the_same_files_and_tells_of_them_in_the_same_order(
    output: str, mon: int, tmp_path: Path
) -> None:
    def saved(side: Any) -> Any:
        folder = tmp_path / side.__name__
        folder.mkdir()
        told: list[tuple[str, bool]] = []

        def tell(name: str) -> None:
            told.append((Path(name).name, Path(name).exists()))

        names = list(side.MSS(compression_level=1).save(mon=mon, output=f"{folder}/{output}", callback=tell))
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        return [Path(name).name for name in names], told, files

    theirs, ours = (outcome(side, saved) for side in SIDES)
    if theirs.error is KeyError:
        # MSS 11 has every field of every monitor.
        assert (theirs.message in ("'output'", "'is_primary'"), ours.error) == (True, None)
    else:
        assert ours == theirs


def test_shot_takes_the_first_monitor() -> None:
    same(lambda side: side.MSS().shot())
    same(lambda side: side.MSS().shot(mon=-1, output="all-{mon}.png"))
    assert Path("monitor-1.png").exists()


def test_the_commands_level_is_that_of_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, small, _ = command(framering.mss, ["-m", "1", "-l", "9", "-o", "a.png"], capsys)
    _, _, large, _ = command(framering.mss, ["-m", "1", "-l", "0", "-o", "a.png"], capsys)
    assert len(large["a.png"]) > 180 * 300 * 3 > len(small["a.png"]) - 1000


def test_save_is_a_generator_that_grabs_as_it_goes() -> None:
    for side in SIDES:
        names = side.MSS().save(output=side.__name__ + "-{mon}.png")
        assert next(names) == side.__name__ + "-1.png"
        assert not Path(side.__name__ + "-2.png").exists()


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (64, 5)])
def test_to_png_gives_the_same_bytes(size: tuple[int, int], level: int) -> None:
    rgb = random.Random(level).randbytes(size[0] * size[1] * 3)
    png = same(lambda side: side.tools.to_png(rgb, size, level=level))
    same(lambda side: side.tools.to_png(rgb, size, level=level, output="file.png"))
    assert Path("file.png").read_bytes() == png


def test_to_png_refuses_alike() -> None:
    both(lambda side: side.tools.to_png(bytes(12), (2, 2), level=99))
    both(lambda side: side.tools.to_png("text", (2, 2)))
    both(lambda side: side.tools.to_png(bytes(12), (2, 2), output="none/x.png"))


# --- cls_image ---


def test_a_class_of_the_callers_own_gets_pixels_and_region() -> None:
    class Plain:
        def __init__(self, data: Any, region: Any, **_: Any) -> None:
            self.seen = (bytes(data), type(data[0]), region["left"], region["top"], region["width"])
            data[0] = 7  # it may write

    def grabbed(side: Any) -> Any:
        sct = side.MSS()
        sct.cls_image = Plain
        return sct.grab((5, 6, 25, 16)).seen

    same(grabbed)

    def derived(side: Any) -> Any:
        class Shot(side.ScreenShot):  # type: ignore[misc, name-defined]
            @property
            def first(self) -> Any:
                return self.pixel(0, 0)

        sct = side.MSS()
        sct.cls_image = Shot
        return sct.grab((5, 6, 25, 16)).first, repr(sct.grab((5, 6, 25, 16)))

    same(derived)


# --- the pointer ---


@pytest.mark.parametrize("name", ["X_cursor", "left_ptr", "crosshair"])
def test_the_pointer_is_painted_alike(screen: str, name: str) -> None:
    """Core cursors, whose pixels are opaque or none; MSS takes premultiplied colors for straight ones."""
    core = {**os.environ, "XCURSOR_CORE": "1"}
    subprocess.run(["xsetroot", "-cursor_name", name], env=core, check=True, timeout=20)
    with mss.MSS(with_cursor=True) as theirs, framering.mss.MSS(with_cursor=True) as ours:
        assert theirs.with_cursor is ours.with_cursor is True
        for x, y in ((200, 150), (0, 0), (WIDTH - 1, HEIGHT - 1), (5, 290), (201, 151)):
            subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True, timeout=20)
            expected = np.asarray(theirs.grab((0, 0, WIDTH, HEIGHT)))
            seen = np.asarray(ours.grab((0, 0, WIDTH, HEIGHT)))
            np.testing.assert_array_equal(seen[..., :3], expected[..., :3])
            with framering.mss.MSS() as without:
                assert (np.asarray(without.grab((0, 0, WIDTH, HEIGHT)))[..., :3] != seen[..., :3]).any()


# --- the command ---


def command(side: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, ...]:
    main = __import__(side.__name__ + ".__main__", fromlist=["main"]).main
    code: Any
    try:
        code = main(*arguments) if side is mss else main(arguments)
    except SystemExit as ended:
        code = ended.code
    except mss.ScreenShotError:
        code = 1  # what its `if __name__` makes of it
    printed = capsys.readouterr()
    lines = [Path(line).name for line in printed.out.splitlines() if line.startswith("/")]
    files = {path.name: path.read_bytes() for path in sorted(Path().glob("*.png"))}
    for name in files:
        Path(name).unlink()
    return code, lines, files, bool(printed.err)


@pytest.mark.parametrize(
    "arguments",
    [
        "-q",
        "-m 1",
        "-m 2 -q",
        "-m -1 -o all.png",
        "-m 9",
        "-m 9 -q",
        "-m x",
        "-c 10,20,30,40",
        "-c 10,20,30,40 -o {width}.png",
        "-c 10,20,30,40 -l 9 -q",
        "-c 10,20,30",
        "-c nonsense",
        "-l 10",
        "-l x",
        "-b xgetimage -m 1",
        "-b nothing",
        "--nothing",
        "-m 1 -o a-{mon}-{top}-{left}-{width}-{height}.png",
        "-m 1 --monitor 2 --output b.png --quiet",
    ],
)
def test_the_command_does_and_says_the_same(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = arguments.split()
    assert command(framering.mss, words, capsys) == command(mss, words, capsys)


@pytest.mark.parametrize(
    ("geometry", "monitor", "region"),
    [
        ("30x40+10+20", 0, (10, 20, 30, 40)),
        ("30x40-10-20", 0, (WIDTH - 40, HEIGHT - 60, 30, 40)),
        (" 30 x 40 + + 10 - + 20 ", 0, (10, HEIGHT - 60, 30, 40)),
        ("30x40+-10+-20", 0, (0, 0, 20, 20)),
        ("30x40--10--20", 0, (WIDTH - 20, HEIGHT - 20, 20, 20)),
        ("30x40+10+20", 2, (190, 70, 30, 40)),
        ("20,10,30,40", 2, (190, 70, 30, 40)),
        ("9999x9999+0+0", 0, (0, 0, WIDTH, HEIGHT)),
    ],
)
def test_geometries_are_xs(
    geometry: str, monitor: int, region: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """As MSS 11 takes them, which the real one here does not yet."""
    left, top, width, height = region
    code, lines, files, _ = command(framering.mss, ["-c", geometry, "-m", str(monitor)], capsys)
    name = f"sct-{top}x{left}_{width}x{height}.png"
    assert (code, lines, list(files)) == (0, [name], [name])
    with mss.MSS() as theirs:
        shot = theirs.grab((left, top, left + width, top + height))
        assert files[name] == mss.tools.to_png(shot.rgb, shot.size)


def test_its_version_is_that_of_the_interface(capsys: pytest.CaptureFixture[str]) -> None:
    code, *_ = command(framering.mss, ["-v"], capsys)
    assert code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+", framering.mss.__version__)
