"""Read the desktop where frameringd put it: no copy, no message per frame.

>>> import framering
>>> with framering.open() as stream:
...     for frame in stream:
...         pixels = frame.numpy()  # (height, width, 4) uint8, read-only, bytes B G R X
"""

from __future__ import annotations

import os

from framering import _core, _daemon
from framering._contact_sheet import contact_sheet
from framering._core import Connection, DesktopWatch, Frame, Stream
from framering._errors import (
    Disconnected,
    Error,
    ErrorCode,
    InvalidArgument,
    LeaseLimit,
    MemoryUnavailable,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    StreamClosed,
    StreamEnded,
    Unavailable,
)
from framering._handle import FrameHandle
from framering._show import show
from framering._tensors import to_cupy, to_jax, to_numpy, to_tensorflow, to_torch
from framering._types import (
    Channels,
    ClientInfo,
    CudaStream,
    Cursor,
    CursorMode,
    CursorShape,
    Desktop,
    DesktopState,
    Layout,
    Memory,
    Mode,
    MonitorInfo,
    PixelFormat,
    Rect,
    Resize,
    StreamInfo,
    StreamStats,
    WindowInfo,
)

__all__ = [
    "Channels",
    "ClientInfo",
    "Connection",
    "CudaStream",
    "Cursor",
    "CursorMode",
    "CursorShape",
    "Desktop",
    "DesktopState",
    "DesktopWatch",
    "Disconnected",
    "Error",
    "ErrorCode",
    "Frame",
    "FrameHandle",
    "InvalidArgument",
    "Layout",
    "LeaseLimit",
    "Memory",
    "MemoryUnavailable",
    "Mode",
    "MonitorInfo",
    "NotFound",
    "PermissionDenied",
    "PixelFormat",
    "QuotaExceeded",
    "Rect",
    "Resize",
    "Stream",
    "StreamClosed",
    "StreamEnded",
    "StreamInfo",
    "StreamStats",
    "Unavailable",
    "WindowInfo",
    "__version__",
    "connect",
    "contact_sheet",
    "monitors",
    "open",
    "show",
    "to_cupy",
    "to_jax",
    "to_numpy",
    "to_tensorflow",
    "to_torch",
    "watch_desktop",
    "windows",
]

__version__ = _core.version()


def connect(socket: str | os.PathLike[str] | None = None, *, autostart: bool | None = None) -> Connection:
    """Connect to frameringd.

    ``socket``: its path; None means $FRAMERING_SOCKET, else $XDG_RUNTIME_DIR/framering/socket where that is
    there, else /run/framering/socket. ``autostart``: where nobody answers there, connect to a private daemon
    that captures $DISPLAY for this user, and start it if need be; it ends with its last client. None: if
    $FRAMERING_AUTOSTART is 1. Raises Unavailable (no daemon: the hint says how to start one),
    PermissionDenied, QuotaExceeded, Error.
    """
    return _daemon.connect(socket, autostart)


def open(
    source: str = "screen",
    memory: str = "auto",
    mode: Mode = "latest",
    max_leases: int = 2,
    max_fps: float | None = None,
    *,
    cursor: CursorMode = "hidden",
    writable: bool = False,
    socket: str | os.PathLike[str] | None = None,
    autostart: bool | None = None,
) -> Stream:
    """Connect to frameringd and open a stream of frames; see connect() and Connection.open()."""
    return connect(socket, autostart=autostart).open(
        source, memory, mode, max_leases, max_fps, cursor=cursor, writable=writable
    )


def monitors(
    socket: str | os.PathLike[str] | None = None, *, autostart: bool | None = None
) -> list[MonitorInfo]:
    """The monitors of the display that a daemon captures; see connect() and Connection.monitors()."""
    with connect(socket, autostart=autostart) as connection:
        return connection.monitors()


def windows(
    socket: str | os.PathLike[str] | None = None, *, autostart: bool | None = None
) -> list[WindowInfo]:
    """The windows of the display that a daemon captures; see connect() and Connection.windows()."""
    with connect(socket, autostart=autostart) as connection:
        return connection.windows()


def watch_desktop(
    socket: str | os.PathLike[str] | None = None, *, autostart: bool | None = None
) -> DesktopWatch:
    """Iterate over the states of a desktop; see connect() and Connection.watch_desktop()."""
    return connect(socket, autostart=autostart).watch_desktop()
