"""framering.mss on one monitor or window of a desktop, and what it tells of monitors."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from daemons import frameringd
from framering.mss import MSS, Region, ScreenShotError
from PIL import Image
from screens import desktop, split, xterm


def test_monitor_chooses_one_of_the_desktops() -> None:
    with desktop("400x300x24", "#102030") as other:
        split(other, "left 180/80x300/150+0+0 screen", "right 220/80x250/150+180+50 none")
        with frameringd("--source", "screen", "--display", other) as daemon:
            with MSS(socket=daemon.socket, display=other, monitor=2) as sct:
                assert [monitor.as_region() for monitor in sct.monitors] == [Region(180, 50, 220, 250)] * 2
                assert sct.grab(sct.monitors[0]).size == (220, 250)
            with MSS(socket=daemon.socket, display=other, monitor="screen") as sct:
                assert sct.primary_monitor.output == "screen"
            with (
                MSS(socket=daemon.socket, display=other, monitor="DP-7") as sct,
                pytest.raises(ScreenShotError, match="'DP-7' does not exist") as missing,
            ):
                sct.monitors  # noqa: B018
            assert "screen, 2" in missing.value.details["hint"]


def test_monitor_and_window_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude"):
        MSS(monitor=1, window="x")


def test_monitors_are_those_of_the_daemons_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":987")
    whole = {"left": 0, "top": 0, "width": 64, "height": 48}
    with (
        desktop("64x48x24", "#102030") as other,
        frameringd("--source", "screen", "--display", other) as daemon,
        MSS(socket=daemon.socket) as sct,
    ):
        assert [dict(monitor) for monitor in sct.monitors] == [
            whole,
            {**whole, "is_primary": False, "output": "screen"},
        ]


def test_where_nobody_tells_of_monitors_the_picture_is_the_monitor() -> None:
    with (
        desktop("64x48x24", "#102030", "-extension", "RANDR") as other,
        frameringd("--source", "screen", "--display", other) as daemon,
        MSS(socket=daemon.socket, display=other) as sct,
    ):
        assert [dict(monitor) for monitor in sct.monitors] == [
            {"left": 0, "top": 0, "width": 64, "height": 48}
        ] * 2


def test_a_window_is_chosen_by_id_title_or_class_and_seen_as_it_is(tmp_path: Path) -> None:
    with (
        desktop("400x300x24", "#102030") as other,
        frameringd("--source", "screen", "--display", other) as daemon,
        xterm(other, "Notes", "#204060", "+10+10") as notes,
        xterm(other, "Mail", "#602040", "+10+150"),
    ):
        seen = tmp_path / "seen.png"
        command = ["import", "-display", other, "-window", hex(notes), seen]
        subprocess.run(command, check=True, timeout=20)
        with Image.open(seen) as picture:
            expected = np.asarray(picture.convert("RGB"))
        for window in (notes, hex(notes), "Notes", "title=^No", "class=Notes"):
            with MSS(socket=daemon.socket, window=window) as sct:
                height, width = expected.shape[:2]
                shot = sct.grab({"left": 0, "top": 0, "width": width, "height": height})
                assert shot.rgb == expected.tobytes(), window
        with pytest.raises(ScreenShotError, match="no window has such a title") as missing:
            MSS(socket=daemon.socket, window="Browser")
        assert "Notes" in missing.value.details["hint"]
        with pytest.raises(ScreenShotError, match="2 windows have such a title"):
            MSS(socket=daemon.socket, window="[NM]")
