"""The class that takes screenshots."""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from framering.mss._capture import Capture
from framering.mss.exception import ScreenShotError
from framering.mss.models import Monitor, Monitors, Pos, Region
from framering.mss.screenshot import ScreenShot, ScreenShotCPU, ScreenShotCUDA
from framering.mss.tools import to_png

if TYPE_CHECKING:
    from typing_extensions import Self

BACKENDS = ["default", "xlib", "xgetimage", "xshmgetimage"]

_MAX_DISPLAYS = 32
_UNSET: Any = object()


class MSS:
    """Takes screenshots of what frameringd captures. Any thread; a lock of its own.

    ``backend``, ``compression_level``, ``with_cursor``, ``display``, ``max_displays``: as MSS has them. All
    backends are the daemon, which also tells of its monitors; where its policy keeps them from this user,
    ``display`` (None: $DISPLAY) is asked. The daemon that ``autostart`` starts captures ``display``.

    What MSS does not have:
    ``device``: "cpu" gives ScreenShotCPU, "cuda" or "cuda:1" ScreenShotCUDA, whose pixels stay on the GPU.
    ``monitor``: only this one, by its output ("DP-1"), model or number.
    ``window``: a window by its id or title, or as sources name one ("class=...", "active"); coordinates are
        then the window's.
    ``autostart``: start a private daemon if none answers (None: if $FRAMERING_AUTOSTART is 1); it ends with
        its last client.
    ``socket``: the daemon's, as framering.connect() takes it.

    Raises ScreenShotError if no daemon answers; the message says how to start one.
    """

    def __init__(
        self,
        /,
        *,
        backend: str = "default",
        compression_level: int = 6,
        with_cursor: bool = False,
        display: bytes | str | None = None,
        max_displays: int = _UNSET,
        device: str | None = None,
        monitor: str | int | None = None,
        window: str | int | None = None,
        autostart: bool | None = None,
        socket: str | os.PathLike[str] | None = None,
    ) -> None:
        if max_displays is not _UNSET:
            warnings.warn(
                "max_displays is only available on Darwin. This will be an error in the future.",
                DeprecationWarning,
                stacklevel=2,
            )
        if backend.lower() not in BACKENDS:
            raise ScreenShotError(f"Backend {backend.lower()!r} not (yet?) implemented.")
        if monitor is not None and window is not None:
            raise ValueError("monitor and window exclude each other")
        self.compression_level = compression_level
        self.cls_image: Callable[..., Any] = _image_class(device)
        self._max_displays = _MAX_DISPLAYS if max_displays is _UNSET else max_displays
        self._with_cursor = bool(with_cursor)
        self._only = monitor
        self._lock = Lock()
        self._monitors: Monitors | None = None
        self._capture: Capture | None = Capture(
            "screen" if window is None else _window_source(window),
            device,
            with_cursor=self._with_cursor,
            display=os.fsdecode(display) if display else None,
            socket=socket,
            autostart=autostart,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise

    def close(self) -> None:
        """Give the stream back; screenshots stay. May be called again."""
        with self._lock:
            capture, self._capture = self._capture, None
            if capture is not None:
                capture.close()

    @property
    def with_cursor(self) -> bool:
        """Whether the pointer is in the picture."""
        return self._with_cursor

    @property
    def max_displays(self) -> int:
        """As it was given; it means nothing here."""
        return self._max_displays

    @property
    def performance_status(self) -> list[str]:
        """What is worth knowing about speed, for people."""
        return ["frameringd captures; screenshots are read in place."]

    @property
    def monitors(self) -> Monitors:
        """[0]: all of them together; [1:]: each. Asked for once."""
        with self._lock:
            if self._monitors is None:
                found = self._open("Cannot identify monitors while the connection is closed").monitors()
                self._monitors = found if self._only is None else _only(found, self._only)
            return self._monitors

    @property
    def primary_monitor(self) -> Monitor:
        """The one that the X server calls primary, else the first."""
        monitors = self.monitors[1:]
        if not monitors:
            raise ScreenShotError("No monitor found.")
        return next((monitor for monitor in monitors if monitor.is_primary), monitors[0])

    def grab(
        self, region: Mapping[str, Any] | tuple[int, int, int, int], /, *, fresh: bool = True
    ) -> ScreenShot:
        """The pixels of a region now: no pixel is older than the call.

        ``region``: a Monitor, a Region, a mapping with left, top, width and height, or a tuple (left, top,
        right, bottom). ``fresh=False`` takes the newest frame that is there, without asking anyone: it may
        be as old as the daemon's last look at the desktop.
        """
        if isinstance(region, tuple):
            left, top, right, bottom = region[0], region[1], region[2], region[3]
            region = {"left": left, "top": top, "width": right - left, "height": bottom - top}
        width, height = region["width"], region["height"]
        if width <= 0 or height <= 0:
            raise ScreenShotError(f"Region has zero or negative size: {region!r}")
        with self._lock:
            capture = self._open("Cannot take screenshot while the connection is closed")
            area = Region(*map(operator.index, (region["left"], region["top"], width, height)))
            pixels = capture.grab((area.left, area.top, area.width, area.height), fresh)
            kind = self.cls_image
            if kind in (ScreenShot, ScreenShotCPU, ScreenShotCUDA):
                shot: ScreenShot = kind._of_frame(pixels, Pos(area.left, area.top))
            else:
                shot = kind(pixels.own(), area)
            return shot

    def _open(self, message: str) -> Capture:
        if self._capture is None:
            raise ScreenShotError(message)
        return self._capture

    def save(
        self,
        /,
        *,
        mon: int = 0,
        output: str = "monitor-{mon}.png",
        callback: Callable[[str], None] | None = None,
    ) -> Iterator[str]:
        """Save PNG files, one for each step; yields their names.

        ``mon``: 0 for each monitor, -1 for all in one picture, else the number of one. ``output``: the name,
        with the fields mon, left, top, width, height, is_primary, name, unique_id, output and date (UTC,
        now). ``callback``: called with the name before the picture is taken.
        """
        monitors = self.monitors
        if mon == 0:
            chosen = list(enumerate(monitors))[1:]
        else:
            number = 0 if mon == -1 else mon
            try:
                chosen = [(number, monitors[number])]
            except IndexError as error:
                raise ScreenShotError(f"Monitor {number!r} does not exist.") from error
        for number, monitor in chosen:
            name = _file_name(output, number, monitor)
            if callable(callback):
                callback(name)
            shot = self.grab(monitor)
            to_png(shot.rgb, shot.size, level=self.compression_level, output=name)
            yield name

    def shot(self, /, **kwargs: Any) -> str:
        """``save()`` of one picture, of the first monitor unless ``mon`` says another; its name."""
        return next(self.save(**{"mon": 1, **kwargs}))


# The name of the class before MSS 10.2.
MSSBase = MSS


def _image_class(device: str | None) -> type[ScreenShot]:
    if device is None:
        return ScreenShot
    if device == "cpu":
        return ScreenShotCPU
    if device == "cuda" or device.startswith("cuda:"):
        return ScreenShotCUDA
    raise ValueError(f"device must be None, 'cpu', 'cuda' or 'cuda:N', not {device!r}")


def _window_source(window: str | int) -> str:
    if isinstance(window, int):
        return f"window:{window:#x}"
    kind = window.partition("=")[0]
    is_source = window == "active" or window.startswith("0x") or kind in ("title", "class")
    return f"window:{window}" if is_source else f"window:title={window}"


def _only(monitors: Monitors, wanted: str | int) -> Monitors:
    """The list of a desktop that has this monitor alone."""
    for number, monitor in enumerate(monitors[1:], 1):
        if wanted in (number, monitor.output, monitor.name):
            return [Monitor(monitor.left, monitor.top, monitor.width, monitor.height), monitor]
    names = ", ".join(str(monitor.output or number) for number, monitor in enumerate(monitors[1:], 1))
    raise ScreenShotError(f"Monitor {wanted!r} does not exist.", details={"hint": f"there are: {names}"})


def _file_name(output: str, number: int, monitor: Monitor) -> str:
    fields = {name: getattr(monitor, name) for name in Monitor.__dataclass_fields__}
    return output.format(mon=number, date=datetime.now(timezone.utc), **fields)
