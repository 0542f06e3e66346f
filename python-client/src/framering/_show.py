"""A live look at a stream: a small window, or the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TextIO

from framering import _core
from framering._errors import InvalidArgument
from framering._tensors import to_bytes

if TYPE_CHECKING:
    import tkinter

Where = Literal["auto", "window", "terminal"]

_WHERE = ("auto", "window", "terminal")
_LARGEST = (960, 600)  # of the window, in pixels
_WAIT_SECONDS = 0.05  # how long a window or Ctrl-C may have to wait for a still desktop


def show(
    stream: _core.Stream, *, where: Where = "auto", fps: float = 20, seconds: float | None = None
) -> int:
    """Show a stream until its window is closed, Ctrl-C, its end, or for ``seconds``; the frames shown.

    ``where``: "window" needs tkinter and a display, "terminal" one with 24-bit color; "auto" takes a window
    where there can be one. ``fps``: frames a second at most. The stream stays open. Raises InvalidArgument,
    what next() raises but TimeoutError.
    """
    if where not in _WHERE:
        words = ", ".join(f'"{word}"' for word in _WHERE)
        raise InvalidArgument(f"where must be one of {words}, not {where!r}")
    if not fps > 0:
        raise InvalidArgument(f"fps must be above 0, not {fps}")
    frames = _paced(stream, fps, seconds)
    window = _window() if where in ("auto", "window") else None
    if window is not None:
        return _in_window(window, stream, frames)
    if where == "window":
        raise InvalidArgument("there can be no window here: that takes tkinter and a display ($DISPLAY)")
    return _in_terminal(sys.stdout, frames)


def _paced(stream: _core.Stream, fps: float, seconds: float | None) -> Iterator[_core.Frame | None]:
    """The newest frames as they come; None now and then while there is none."""
    begin = due = time.monotonic()
    while seconds is None or time.monotonic() < begin + seconds:
        try:
            frame = stream.next(_WAIT_SECONDS)
        except TimeoutError:
            yield None
            continue
        yield frame
        due = max(due + 1 / fps, time.monotonic())
        while (wait := due - time.monotonic()) > 0:
            time.sleep(min(wait, _WAIT_SECONDS))
            yield None


def _fit(frame: _core.Frame, width: int, height: int) -> tuple[int, int]:
    """(height, width) of the frame within so many pixels."""
    scale = min(1.0, width / frame.width, height / frame.height)
    return max(1, round(frame.height * scale)), max(1, round(frame.width * scale))


# --- a window ---


def _window() -> tkinter.Tk | None:
    try:
        import tkinter

        return tkinter.Tk()
    except Exception:  # no tkinter, or a TclError: no display
        return None


def _in_window(window: tkinter.Tk, stream: _core.Stream, frames: Iterator[_core.Frame | None]) -> int:
    import tkinter

    closed = False

    def close() -> None:
        nonlocal closed
        closed = True

    window.protocol("WM_DELETE_WINDOW", close)
    window.title(f"{stream.source} - framering")
    label = tkinter.Label(window, borderwidth=0)
    label.pack()
    shown = 0
    try:
        for frame in frames:
            if frame is not None:
                pixels, (width, height) = to_bytes(frame, "RGB", size=_fit(frame, *_LARGEST), resize="area")
                frame.release()
                image = tkinter.PhotoImage(data=b"P6 %d %d 255\n" % (width, height) + pixels, format="PPM")
                label.configure(image=image)
                label.image = image  # type: ignore[attr-defined]  # Tk itself keeps no reference
                shown += 1
            window.update()
            if closed:
                break
    except KeyboardInterrupt:
        pass
    finally:
        window.destroy()
    return shown


# --- a terminal ---


def _in_terminal(terminal: TextIO, frames: Iterator[_core.Frame | None]) -> int:
    """Two pixels a character: the upper half block in the color of the one, on that of the other."""
    shown = 0
    terminal.write("\x1b[?25l\x1b[2J")
    try:
        for frame in frames:
            if frame is None:
                continue
            columns, lines = _terminal_size(terminal)
            size = _fit(frame, columns, 2 * (lines - 1))
            pixels, extent = to_bytes(frame, "RGB", size=size, resize="area")
            terminal.write("\x1b[H" + _blocks(pixels, *extent) + f"\x1b[0mframe {frame.sequence}\x1b[K")
            terminal.flush()
            frame.release()
            shown += 1
    except KeyboardInterrupt:
        pass
    finally:
        terminal.write("\x1b[0m\x1b[?25h\n")
        terminal.flush()
    return shown


def _terminal_size(terminal: TextIO) -> tuple[int, int]:
    try:
        return os.get_terminal_size(terminal.fileno())
    except OSError:
        return shutil.get_terminal_size()


def _blocks(pixels: bytearray, width: int, height: int) -> str:
    def color(x: int, y: int) -> str:
        at = (min(y, height - 1) * width + x) * 3
        return f"{pixels[at]};{pixels[at + 1]};{pixels[at + 2]}"

    rows = (
        "".join(f"\x1b[38;2;{color(x, y)};48;2;{color(x, y + 1)}m\u2580" for x in range(width))
        for y in range(0, height, 2)
    )
    return "".join(row + "\x1b[0m\x1b[K\r\n" for row in rows)
