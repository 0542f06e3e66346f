"""The real mss and framering.mss on one screen, and what a call gives or raises on each side."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import framering.mss
import mss
import numpy as np
import pytest
from daemons import frameringd
from screens import desktop, show_noise, split

WIDTH, HEIGHT = 400, 300
SIDES: tuple[ModuleType, ModuleType] = (mss, framering.mss)


@contextlib.contextmanager
def noise_screen(folder: Path) -> Iterator[str]:
    """A display of noise and two monitors, and a daemon that captures it, both in the environment."""
    with desktop(f"{WIDTH}x{HEIGHT}x24", "#000000") as display:
        show_noise(display, f"{WIDTH}x{HEIGHT}", folder, 1)
        split(display, "left 180/80x300/150+0+0 screen", "right 220/80x250/150+180+50 none")
        with (
            frameringd("--source", "screen", "--display", display) as daemon,
            pytest.MonkeyPatch.context() as environment,
        ):
            environment.setenv("DISPLAY", display)
            environment.setenv("FRAMERING_SOCKET", str(daemon.socket))
            yield display


@dataclass
class Outcome:
    value: Any
    error: type[BaseException] | None
    message: str
    warnings: list[tuple[type[Warning], str]]


def outcome(side: ModuleType, call: Callable[[Any], Any]) -> Outcome:
    """What a call gives or raises on this side, in terms that both have."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = Outcome(call(side), None, "", [])
        except Exception as error:
            kind: type[BaseException] = type(error)
            if isinstance(error, side.ScreenShotError):
                kind = RuntimeError
            elif kind.__name__ == "ArgumentError":  # how ctypes calls a TypeError
                kind = TypeError
            result = Outcome(None, kind, str(error), [])
    result.warnings = [(warning.category, str(warning.message)) for warning in caught]
    return result


def facts(shot: Any) -> tuple[Any, ...]:
    """All that a screenshot tells."""
    return (
        tuple(shot.pos),
        tuple(shot.size),
        (shot.left, shot.top, shot.width, shot.height),
        repr(shot),
        bytes(shot.bgra),
        bytes(shot.rgb),
        np.asarray(shot).tobytes(),
        np.asarray(shot).shape,
        np.asarray(shot).flags.writeable,
    )
