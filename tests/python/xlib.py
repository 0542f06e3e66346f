"""What an X server shows, asked by Xlib: a client of its own beside the daemon."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p
from typing import Any

import numpy as np

Z_PIXMAP = 2
ALL_PLANES = c_ulong(-1)


class _XImage(Structure):
    _fields_ = (
        *((name, c_int) for name in ("width", "height", "xoffset", "format")),
        ("data", c_void_p),
        *(
            (name, c_int)
            for name in (
                "byte_order",
                "bitmap_unit",
                "bitmap_bit_order",
                "bitmap_pad",
                "depth",
                "bytes_per_line",
                "bits_per_pixel",
            )
        ),
    )


_ErrorHandler = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)


@_ErrorHandler
def _ignore(_display: int, _event: int) -> int:
    return 0  # Xlib's own handler ends the process; what fails returns nothing


_xlib = ctypes.CDLL("libX11.so.6")
_xlib.XOpenDisplay.restype = c_void_p
_xlib.XOpenDisplay.argtypes = [c_char_p]
_xlib.XDefaultRootWindow.restype = c_ulong
_xlib.XDefaultRootWindow.argtypes = _xlib.XCloseDisplay.argtypes = [c_void_p]
_xlib.XGetImage.restype = POINTER(_XImage)
_xlib.XGetImage.argtypes = [c_void_p, c_ulong, c_int, c_int, c_uint, c_uint, c_ulong, c_int]
_xlib.XGetGeometry.argtypes = [c_void_p, c_ulong, *[c_void_p] * 7]
_xlib.XSync.argtypes = [c_void_p, c_int]
_xlib.XDestroyImage.argtypes = [c_void_p]
_xlib.XSetErrorHandler(_ignore)


class Xlib:
    """A connection to an X server."""

    def __init__(self, display: str) -> None:
        self._display = _xlib.XOpenDisplay(display.encode())
        assert self._display, f"no X server at {display}"
        self.root = _xlib.XDefaultRootWindow(self._display)

    def close(self) -> None:
        _xlib.XCloseDisplay(self._display)

    def sync(self) -> None:
        _xlib.XSync(self._display, 0)

    def size(self, drawable: int) -> tuple[int, int] | None:
        """Width and height in pixels; None if it is gone."""
        root, ints, uints = c_ulong(), (c_int * 2)(), (c_uint * 4)()
        places = [byref(ints, 4 * i) for i in range(2)] + [byref(uints, 4 * i) for i in range(4)]
        there = _xlib.XGetGeometry(self._display, drawable, byref(root), *places)
        return (uints[0], uints[1]) if there else None

    def grab(self, drawable: int | None = None) -> Any:
        """What it (by default the root) shows: (height, width, bytes a pixel) uint8; None if nothing."""
        drawable = self.root if drawable is None else drawable
        size = self.size(drawable)
        if size is None:
            return None
        image = _xlib.XGetImage(self._display, drawable, 0, 0, *size, ALL_PLANES, Z_PIXMAP)
        if not image:
            return None
        try:
            info = image.contents
            rows = ctypes.string_at(info.data, info.bytes_per_line * info.height)
            pixel = info.bits_per_pixel // 8
            pixels = np.frombuffer(rows, np.uint8).reshape(info.height, info.bytes_per_line)
            return pixels[:, : info.width * pixel].reshape(info.height, info.width, pixel).copy()
        finally:
            _xlib.XDestroyImage(image)


@contextlib.contextmanager
def xlib(display: str) -> Iterator[Xlib]:
    client = Xlib(display)
    try:
        yield client
    finally:
        client.close()
