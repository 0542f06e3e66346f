"""A client of an X server that draws on it and looks at it, by Xlib alone."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_uint, c_ulong, c_void_p
from typing import Any

import numpy as np

ALL_PLANES = c_ulong(-1)
Z_PIXMAP = 2


class Image(ctypes.Structure):
    """The head of an XImage."""

    _fields_ = (
        ("width", c_int),
        ("height", c_int),
        ("xoffset", c_int),
        ("format", c_int),
        ("data", c_void_p),
        ("byte_order", c_int),
        ("bitmap_unit", c_int),
        ("bitmap_bit_order", c_int),
        ("bitmap_pad", c_int),
        ("depth", c_int),
        ("bytes_per_line", c_int),
        ("bits_per_pixel", c_int),
    )


def load() -> ctypes.CDLL:
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = c_void_p
    x.XDefaultRootWindow.restype = x.XDefaultVisual.restype = x.XCreateGC.restype = c_void_p
    x.XGetImage.restype = x.XCreateImage.restype = POINTER(Image)
    x.XOpenDisplay.argtypes = [c_char_p]
    x.XDefaultRootWindow.argtypes = x.XCloseDisplay.argtypes = [c_void_p]
    x.XDefaultVisual.argtypes = x.XSync.argtypes = [c_void_p, c_int]
    x.XCreateGC.argtypes = [c_void_p, c_void_p, c_ulong, c_void_p]
    x.XSetSubwindowMode.argtypes = [c_void_p, c_void_p, c_int]
    x.XSetForeground.argtypes = [c_void_p, c_void_p, c_ulong]
    x.XFillRectangle.argtypes = [c_void_p, c_void_p, c_void_p, c_int, c_int, c_uint, c_uint]
    x.XGetImage.argtypes = [c_void_p, c_void_p, c_int, c_int, c_uint, c_uint, c_ulong, c_int]
    x.XCreateImage.argtypes = [
        c_void_p, c_void_p, c_uint, c_int, c_int, c_void_p, c_uint, c_uint, c_int, c_int,
    ]  # fmt: skip
    x.XPutImage.argtypes = [
        c_void_p, c_void_p, c_void_p, POINTER(Image), c_int, c_int, c_int, c_int, c_uint, c_uint,
    ]  # fmt: skip
    x.XFree.argtypes = [c_void_p]
    return x


class Desktop:
    """The root window of a display of 32 bits a pixel."""

    def __init__(self, display: str, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._x = load()
        self._display = self._x.XOpenDisplay(display.encode())
        assert self._display, f"cannot open {display}"
        self._root = self._x.XDefaultRootWindow(self._display)
        self._gc = self._x.XCreateGC(self._display, self._root, 0, None)
        self._x.XSetSubwindowMode(self._display, self._gc, 1)  # IncludeInferiors

    def __enter__(self) -> Desktop:
        return self

    def __exit__(self, *exception: object) -> None:
        self._x.XCloseDisplay(self._display)

    def fill(self, x: int, y: int, width: int, height: int, color: int) -> None:
        self._x.XSetForeground(self._display, self._gc, color)
        self._x.XFillRectangle(self._display, self._root, self._gc, x, y, width, height)

    def put(self, x: int, y: int, pixels: np.ndarray[Any, Any]) -> None:
        """Draws (height, width, 4) uint8, bytes B G R X."""
        rows = np.ascontiguousarray(pixels)
        height, width, _ = rows.shape
        visual = self._x.XDefaultVisual(self._display, 0)
        image = self._x.XCreateImage(
            self._display, visual, 24, Z_PIXMAP, 0, rows.ctypes.data, width, height, 32, 0
        )
        self._x.XPutImage(self._display, self._root, self._gc, image, 0, 0, x, y, width, height)
        self.sync()
        self._x.XFree(image)  # not its data, which are ours

    def sync(self) -> None:
        self._x.XSync(self._display, 0)

    def grab(self) -> np.ndarray[Any, Any]:
        """(height, width, 3) uint8, bytes B G R."""
        image = self._x.XGetImage(
            self._display, self._root, 0, 0, self.width, self.height, ALL_PLANES, Z_PIXMAP
        )
        assert image
        assert image.contents.bits_per_pixel == 32
        size = image.contents.bytes_per_line * self.height
        rows = np.frombuffer(ctypes.string_at(image.contents.data, size), np.uint8)
        pixels = rows.reshape(self.height, -1)[:, : self.width * 4].reshape(self.height, self.width, 4)
        self._x.XFree(image.contents.data)
        self._x.XFree(image)
        return pixels[..., :3].copy()
