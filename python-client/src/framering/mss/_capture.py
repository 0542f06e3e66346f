"""The daemon behind an MSS object: its stream, and frames that are not older than the call."""

from __future__ import annotations

import os
import time
import weakref
from typing import TYPE_CHECKING

from framering import _core, _daemon
from framering._errors import Disconnected, Error, LeaseLimit, StreamEnded
from framering.mss import _monitors
from framering.mss._pixels import LeasedPixels
from framering.mss.exception import ScreenShotError, from_error
from framering.mss.models import Monitor

if TYPE_CHECKING:
    from framering._types import CursorMode, Region4

_WAIT_SECONDS = 5.0
# After this long without a frame our own screenshots may be what holds the ring's slots.
_PATIENCE_SECONDS = 0.1
# One for the screenshot that the caller still has while he takes the next; tensors on a GPU live longer.
_HOST_LEASES, _DEVICE_LEASES = 2, 3
# While only fresh frames are grabbed nothing is captured between them but this often: each is asked for.
_ASKED_FPS = 1.0
_DEPTHS = {"XRGB2101010": 30, "RGB565": 16}


class Capture:
    """A stream of the daemon. One thread at a time; every failure is a ScreenShotError."""

    def __init__(
        self,
        source: str,
        device: str | None,
        *,
        with_cursor: bool,
        display: str | None,
        socket: str | os.PathLike[str] | None,
        autostart: bool | None,
    ) -> None:
        self._source = source
        self._memory = {None: "auto", "cpu": "host"}.get(device, device or "")
        self._keep = device in (None, "cpu")
        self._cursor: CursorMode = "embedded" if with_cursor else "hidden"
        self._display = display
        self._socket = socket
        self._autostart = autostart
        self._held: list[weakref.ref[LeasedPixels]] = []  # who may have a lease, the oldest first
        self._stream: _core.Stream | None = None
        self._max_fps: float | None = _ASKED_FPS
        stream = self._attached()
        if display is not None and source == "screen":
            _check_display(display, (stream.width, stream.height))

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, now."""
        stream = self._attached()
        return stream.width, stream.height

    def monitors(self) -> list[Monitor]:
        """The union, then each monitor; the whole picture where nobody tells of monitors."""
        width, height = self.size
        found: list[Monitor] | None = None
        if self._source == "screen":
            # The X server itself is asked where the daemon's policy keeps them from this user.
            found = self._told_monitors() or _monitors.monitors(self._display)
        return [Monitor(0, 0, width, height), *(found or [Monitor(0, 0, width, height)])]

    def _told_monitors(self) -> list[Monitor]:
        """What the daemon tells of its display, in RandR's order."""
        try:
            with _daemon.connect(self._socket, self._autostart, self._display) as connection:
                monitors = connection.desktop().monitors
        except Error:
            return []
        return [_monitors.from_info(monitor) for monitor in sorted(monitors, key=lambda told: told.order)]

    def grab(self, rect: Region4, fresh: bool) -> LeasedPixels:
        """A rectangle of a frame that is not older than the call, or of the newest if not ``fresh``."""
        since = time.monotonic_ns() if fresh else 0
        if not fresh and self._max_fps is not None:
            self.close()
            self._max_fps = None
        stream = self._attached()
        try:
            frame = self._frame(stream, since)
        except Error as error:
            if isinstance(error, (Disconnected, StreamEnded)):
                self.close()  # the next call attaches anew
            raise from_error(error) from error
        left, top, width, height = rect
        if left < 0 or top < 0 or left + width > frame.width or top + height > frame.height:
            raise ScreenShotError(
                f"Region {width}x{height}+{left}+{top} is not within the picture of "
                f"{frame.width}x{frame.height} pixels",
                details={"region": rect, "size": (frame.width, frame.height)},
            )
        pixels = LeasedPixels(frame, rect, stream.lease_ms, self._keep)
        self._held = [held for held in self._held if _is_leased(held())]
        self._held.append(weakref.ref(pixels))
        return pixels

    def _attached(self) -> _core.Stream:
        if self._stream is None:
            try:
                with _daemon.connect(self._socket, self._autostart, self._display) as connection:
                    leases = _HOST_LEASES if self._keep else _DEVICE_LEASES
                    stream = connection.open(
                        self._source,
                        self._memory,
                        max_leases=leases,
                        max_fps=self._max_fps,
                        cursor=self._cursor,
                    )
            except Error as error:
                raise from_error(error) from error
            format_ = stream.format
            if format_ in _DEPTHS:
                stream.close()
                raise ScreenShotError(
                    "Only screens of color depth 24 or 32 are supported, not "
                    f"{_DEPTHS[format_]}: framering.open() reads the others"
                )
            self._stream = stream
        return self._stream

    def _frame(self, stream: _core.Stream, since: int) -> _core.Frame:
        end = time.monotonic() + _WAIT_SECONDS
        patience = _PATIENCE_SECONDS
        while True:
            try:
                wait = min(patience, max(0.0, end - time.monotonic()))
                return stream.wait_until(since, wait) if since else stream.latest(wait)
            except LeaseLimit:
                if not self._give_back():
                    raise
            except TimeoutError:
                if time.monotonic() >= end:
                    raise ScreenShotError(
                        f"frameringd gave no frame within {_WAIT_SECONDS:.0f} s",
                        details={"hint": "is it stopped or overloaded? see `framering list`"},
                    ) from None
                while self._give_back():
                    pass
                patience = _WAIT_SECONDS

    def _give_back(self) -> bool:
        """Lets the oldest screenshot that reads the ring have memory of its own; False if there is none."""
        if not self._keep:
            return False
        for held in self._held:
            pixels = held()
            if pixels is not None and _is_leased(pixels):
                pixels.own()
                return True
        return False


def _is_leased(pixels: LeasedPixels | None) -> bool:
    return pixels is not None and pixels.frame is not None


def _check_display(display: str, captured: tuple[int, int]) -> None:
    size = _monitors.screen_size(display)
    if size is None:
        raise ScreenShotError(f"Cannot connect to display: {display!r} does not answer, or is none")
    if size != captured:
        raise ScreenShotError(
            f"The daemon captures another display: {display!r} has {size[0]}x{size[1]} pixels, its picture "
            f"{captured[0]}x{captured[1]}",
            details={"hint": "name the socket of the daemon that captures this display"},
        )
