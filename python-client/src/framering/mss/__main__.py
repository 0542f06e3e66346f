"""The ``mss`` command over frameringd: ``python -m framering.mss``, ``framering mss``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from framering.mss import MSS, ScreenShotError, __version__
from framering.mss.base import BACKENDS
from framering.mss.models import Monitor, Region
from framering.mss.tools import to_png

_NAME = "monitor-{mon}.png"
_REGION_NAME = "sct-{top}x{left}_{width}x{height}.png"
_SYNTAX = "TOP,LEFT,WIDTH,HEIGHT or WIDTHxHEIGHT+LEFT+TOP"
_LIST = re.compile(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*")
_OFFSET = r"([+-])\s*([+-]?)\s*(\d+)\s*"
_GEOMETRY = re.compile(rf"\s*(\d+)\s*x\s*(\d+)\s*{_OFFSET}{_OFFSET}")


class _Offset(NamedTuple):
    """Pixels inwards from an edge; ``from_end``: the right or the bottom one."""

    pixels: int
    from_end: bool

    def place(self, begin: int, extent: int, length: int) -> int:
        """Where a length starts that is so far from an edge of an extent."""
        return begin + (extent - length - self.pixels if self.from_end else self.pixels)


class _Coordinates(NamedTuple):
    left: _Offset
    top: _Offset
    width: int
    height: int

    def within(self, monitor: Monitor, desktop: Monitor) -> Region:
        """Of this monitor, cut to the desktop."""
        left = self.left.place(monitor.left, monitor.width, self.width)
        top = self.top.place(monitor.top, monitor.height, self.height)
        right = min(left + self.width, desktop.left + desktop.width)
        bottom = min(top + self.height, desktop.top + desktop.height)
        left, top = max(left, desktop.left), max(top, desktop.top)
        return Region(left, top, right - left, bottom - top)


def _parse(text: str) -> _Coordinates:
    """X's way of geometries: -5 is 5 pixels from the far edge, +-5 is 5 beyond the near one."""
    if match := _LIST.fullmatch(text):
        top, left, width, height = map(int, match.groups())
        return _Coordinates(_Offset(left, False), _Offset(top, False), width, height)
    if match := _GEOMETRY.fullmatch(text):
        size, offsets = match.groups()[:2], match.groups()[2:]
        left_offset, top_offset = (
            _Offset(int(sign + digits), edge == "-") for edge, sign, digits in (offsets[:3], offsets[3:])
        )
        return _Coordinates(left_offset, top_offset, int(size[0]), int(size[1]))
    raise ValueError(f"Coordinates syntax: {_SYNTAX}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mss", exit_on_error=False)
    add = parser.add_argument
    add("-c", "--coordinates", default="", help=f"the part of the monitor to capture: {_SYNTAX}")
    add("-l", "--level", default=6, type=int, choices=range(10), help="the PNG compression level")
    add(
        "-m",
        "--monitor",
        default=0,
        type=int,
        help="the monitor; 0: each, or all as one with -c; -1: all as one",
    )
    add("-o", "--output", default=_NAME, help="the file name, with fields as in Python's str.format()")
    add("--with-cursor", action="store_true", help="include the cursor")
    add("-q", "--quiet", action="store_true", help="do not print the names of the files")
    add("-b", "--backend", default="default", choices=BACKENDS, help="taken for compatibility")
    add("-v", "--version", action="version", version=__version__)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; its exit code: 0 done, 1 failed, 2 wrong arguments."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
        coordinates = _parse(options.coordinates) if options.coordinates else None
    except argparse.ArgumentError as error:
        parser.print_usage(sys.stderr)
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(error)
        return 2
    try:
        _capture(options, coordinates)
    except ScreenShotError as error:
        if not options.quiet:
            print("[ERROR]", error)
        return 1
    return 0


def _capture(options: argparse.Namespace, coordinates: _Coordinates | None) -> None:
    def tell(name: str) -> None:
        if not options.quiet:
            print(os.path.realpath(name))

    with MSS(backend=options.backend, with_cursor=options.with_cursor) as sct:
        sct.compression_level = options.level
        if coordinates is None:
            for name in sct.save(mon=options.monitor, output=options.output):
                tell(name)
            return
        try:
            monitor = sct.monitors[options.monitor]
        except IndexError:
            raise ScreenShotError(f"Monitor {options.monitor!r} does not exist.") from None
        region = coordinates.within(monitor, sct.monitors[0])
        output = _REGION_NAME if options.output == _NAME else options.output
        name = output.format(mon=options.monitor, **region)
        shot = sct.grab(region)
        to_png(shot.rgb, shot.size, level=options.level, output=name)
        tell(name)


if __name__ == "__main__":
    sys.exit(main())
