"""What the MSS face raises."""

from __future__ import annotations

from typing import Any

from framering._errors import Error


class ScreenShotError(Exception):
    """A screenshot cannot be taken; ``details`` is a dict, empty unless there is more to say."""

    details: dict[str, Any]

    def __init__(self, message: str, /, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = details or {}


def from_error(error: Error) -> ScreenShotError:
    """The same failure with the daemon's words: its code and its hint are in ``details``."""
    return ScreenShotError(str(error), details={"code": error.code, "hint": error.hint})
