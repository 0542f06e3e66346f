"""Every failure of this package is an Error; subclasses name what callers handle differently."""

from __future__ import annotations

from typing import Literal

ErrorCode = Literal[
    "internal",
    "protocol",
    "version",
    "invalid_argument",
    "not_found",
    "permission_denied",
    "quota_exceeded",
    "unavailable",
    "memory_unavailable",
    "out_of_memory",
    "already_in_use",
    "disconnected",
    "timeout",
    "stream_ended",
    "lease_limit",
    "forked",
    "closed",
]


class Error(Exception):
    """What failed and why (``message``), what to do about it (``hint``, may be empty), and its ``code``."""

    message: str
    hint: str
    code: ErrorCode

    def __init__(self, message: str, hint: str = "", code: ErrorCode = "internal") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint
        self.code = code

    def __reduce__(self) -> tuple[type[Error], tuple[str, str, ErrorCode]]:
        return type(self), (self.message, self.hint, self.code)


class Disconnected(Error, ConnectionError):
    """The daemon is gone. Frames already held stay readable; connect again when it is back."""


class StreamEnded(Error):
    """The source is gone; the message says why. ``Stream.reopen()`` when it is back."""


class StreamClosed(Error):
    """``Stream.close()`` or ``Connection.close()`` was called in this process."""


class LeaseLimit(Error):
    """Every lease of the stream is held by living frames and arrays: drop one first, or open with more."""


class NotFound(Error, LookupError):
    """No such stream; the hint lists what exists."""


class PermissionDenied(Error, PermissionError):
    """The daemon's policy refuses this user."""


class QuotaExceeded(Error):
    """The daemon's limit for this user is reached; the message says which."""


class Unavailable(Error):
    """No daemon answers, or its source cannot serve now."""


class MemoryUnavailable(Error):
    """The daemon does not have the requested kind of memory."""


class InvalidArgument(Error, ValueError):
    """The message says what is allowed."""


# Indexed by framering::ErrorCode of framering/error.h.
_BY_NUMBER: dict[int, tuple[ErrorCode, type[Error]]] = {
    1: ("internal", Error),
    2: ("protocol", Error),
    3: ("version", Error),
    4: ("invalid_argument", InvalidArgument),
    5: ("not_found", NotFound),
    6: ("permission_denied", PermissionDenied),
    7: ("quota_exceeded", QuotaExceeded),
    8: ("unavailable", Unavailable),
    9: ("memory_unavailable", MemoryUnavailable),
    10: ("out_of_memory", Error),
    11: ("already_in_use", Error),
    12: ("disconnected", Disconnected),
    13: ("timeout", Error),
    14: ("stream_ended", StreamEnded),
    15: ("lease_limit", LeaseLimit),
    16: ("forked", Error),
}


def from_native(number: int, message: str, hint: str) -> Error:
    """The exception for an error of the C++ client."""
    code, kind = _BY_NUMBER.get(number, ("internal", Error))
    return kind(message, hint, code)
