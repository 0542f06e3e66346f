"""What an X server shows, asked by Xlib: a client of its own beside the daemon."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_byte,
    c_char_p,
    c_int,
    c_short,
    c_uint,
    c_ulong,
    c_ushort,
    c_void_p,
)
from typing import Any

import numpy as np

Z_PIXMAP = 2
TRUE_COLOR = 4
INPUT_OUTPUT = 1
BACKGROUND_BORDER_AND_COLORMAP = 1 << 1 | 1 << 3 | 1 << 13
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
_xlib.XCreateSimpleWindow.restype = _xlib.XCreateWindow.restype = _xlib.XCreateColormap.restype = c_ulong
_xlib.XMatchVisualInfo.argtypes = [c_void_p, c_int, c_int, c_int, c_void_p]
_xlib.XCreateColormap.argtypes = [c_void_p, c_ulong, c_void_p, c_int]
_xlib.XCreateWindow.argtypes = [
    *(c_void_p, c_ulong, c_int, c_int, c_uint, c_uint, c_uint),
    *(c_int, c_uint, c_void_p, c_ulong, c_void_p),
]
_xlib.XSetWindowBackground.argtypes = [c_void_p, c_ulong, c_ulong]
_xlib.XClearArea.argtypes = [c_void_p, c_ulong, c_int, c_int, c_uint, c_uint, c_int]
_xlib.XCreateSimpleWindow.argtypes = [c_void_p, c_ulong, c_int, c_int, *[c_uint] * 3, c_ulong, c_ulong]
_xlib.XCreateBitmapFromData.restype = _xlib.XCreatePixmapCursor.restype = c_ulong
_xlib.XCreateBitmapFromData.argtypes = [c_void_p, c_ulong, c_char_p, c_uint, c_uint]
_xlib.XCreatePixmapCursor.argtypes = [c_void_p, c_ulong, c_ulong, c_void_p, c_void_p, c_uint, c_uint]
_xlib.XCreateGC.restype = c_void_p
_xlib.XCreateGC.argtypes = [c_void_p, c_ulong, c_ulong, c_void_p]
_xlib.XSetForeground.argtypes = [c_void_p, c_void_p, c_ulong]
_xlib.XFillRectangle.argtypes = [c_void_p, c_ulong, c_void_p, c_int, c_int, c_uint, c_uint]
_xlib.XMoveWindow.argtypes = [c_void_p, c_ulong, c_int, c_int]
_xlib.XResizeWindow.argtypes = [c_void_p, c_ulong, c_uint, c_uint]
_xlib.XDefineCursor.argtypes = [c_void_p, c_ulong, c_ulong]
_xlib.XWarpPointer.argtypes = [c_void_p, c_ulong, c_ulong, c_int, c_int, c_uint, c_uint, c_int, c_int]
for _name in (
    "XMapWindow",
    "XUnmapWindow",
    "XRaiseWindow",
    "XLowerWindow",
    "XDestroyWindow",
    "XFreeCursor",
    "XFreePixmap",
):
    getattr(_xlib, _name).argtypes = [c_void_p, c_ulong]
_xlib.XSetErrorHandler(_ignore)


class _XVisualInfo(Structure):
    _fields_ = (
        ("visual", c_void_p),
        ("visualid", c_ulong),
        *((name, c_int) for name in ("screen", "depth", "kind")),
        *((name, c_ulong) for name in ("red_mask", "green_mask", "blue_mask")),
        *((name, c_int) for name in ("colormap_size", "bits_per_rgb")),
    )


class _XSetWindowAttributes(Structure):
    _fields_ = (
        *((name, c_ulong) for name in ("background_pixmap", "background", "border_pixmap", "border")),
        *((name, c_int) for name in ("bit_gravity", "win_gravity", "backing_store")),
        *((name, c_ulong) for name in ("backing_planes", "backing_pixel")),
        ("save_under", c_int),
        *((name, c_ulong) for name in ("event_mask", "do_not_propagate_mask")),
        ("override_redirect", c_int),
        *((name, c_ulong) for name in ("colormap", "cursor")),
    )


class _XColor(Structure):
    _fields_ = (
        ("pixel", c_ulong),
        *((name, c_ushort) for name in ("red", "green", "blue")),
        ("flags", c_byte),
        ("pad", c_byte),
    )


class _CursorImage(Structure):
    _fields_ = (
        ("x", c_short),
        ("y", c_short),
        *((name, c_ushort) for name in ("width", "height", "xhot", "yhot")),
        ("cursor_serial", c_ulong),
        ("pixels", POINTER(c_ulong)),
        ("atom", c_ulong),
        ("name", c_char_p),
    )


_xfixes = ctypes.CDLL("libXfixes.so.3")
_xfixes.XFixesGetCursorImage.restype = POINTER(_CursorImage)
_xfixes.XFixesGetCursorImage.argtypes = [c_void_p]
_xlib.XFree.argtypes = [c_void_p]


class Xlib:
    """A connection to an X server."""

    def __init__(self, display: str) -> None:
        self._display = _xlib.XOpenDisplay(display.encode())
        assert self._display, f"no X server at {display}"
        self.root = _xlib.XDefaultRootWindow(self._display)
        self._gc = _xlib.XCreateGC(self._display, self.root, 0, None)

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

    def with_pointer(self) -> Any:
        """The root with the picture of the pointer over it, as Render composes: premultiplied, rounded."""
        pixels = self.grab()
        image = _xfixes.XFixesGetCursorImage(self._display)
        info = image.contents
        count = info.width * info.height
        argb = np.fromiter(info.pixels[:count], np.uint64, count).astype(np.uint32)
        place = (info.x - info.xhot, info.y - info.yhot, info.width, info.height)
        _xlib.XFree(image)
        picture = argb.reshape(place[3], place[2], 1).view(np.uint8)
        left, top = max(place[0], 0), max(place[1], 0)
        right = min(place[0] + place[2], pixels.shape[1])
        bottom = min(place[1] + place[3], pixels.shape[0])
        if left < right and top < bottom:
            part = picture[top - place[1] : bottom - place[1], left - place[0] : right - place[0]]
            below = (
                pixels[top:bottom, left:right].astype(np.uint32) * (255 - part[..., 3:].astype(np.uint32))
                + 128
            )
            composed = part + ((below >> 8) + below >> 8)
            pixels[top:bottom, left:right] = np.minimum(composed, 255)
        return pixels

    def create(self, x: int, y: int, width: int, height: int, color: int, parent: int | None = None) -> int:
        """A window that is not shown yet, on the root by default."""
        parent = self.root if parent is None else parent
        window = _xlib.XCreateSimpleWindow(self._display, parent, x, y, width, height, 0, 0, color)
        assert window
        return int(window)

    def create_with_alpha(self, x: int, y: int, width: int, height: int) -> int:
        """A window of depth 32 on the root, transparent, that is not shown yet."""
        info = _XVisualInfo()
        assert _xlib.XMatchVisualInfo(self._display, 0, 32, TRUE_COLOR, byref(info))
        colormap = _xlib.XCreateColormap(self._display, self.root, info.visual, 0)
        attributes = _XSetWindowAttributes(colormap=colormap)
        window = _xlib.XCreateWindow(
            *(self._display, self.root, x, y, width, height, 0, 32, INPUT_OUTPUT, info.visual),
            *(BACKGROUND_BORDER_AND_COLORMAP, byref(attributes)),
        )
        assert window
        return int(window)

    def clear(self, window: int, x: int, y: int, width: int, height: int, pixel: int) -> None:
        """As fill(), of a window of any depth."""
        _xlib.XSetWindowBackground(self._display, window, pixel)
        _xlib.XClearArea(self._display, window, x, y, width, height, 0)

    def fill(self, window: int, x: int, y: int, width: int, height: int, color: int) -> None:
        _xlib.XSetForeground(self._display, self._gc, color)
        _xlib.XFillRectangle(self._display, window, self._gc, x, y, width, height)

    def map(self, window: int) -> None:
        _xlib.XMapWindow(self._display, window)

    def unmap(self, window: int) -> None:
        _xlib.XUnmapWindow(self._display, window)

    def raise_(self, window: int) -> None:
        _xlib.XRaiseWindow(self._display, window)

    def lower(self, window: int) -> None:
        _xlib.XLowerWindow(self._display, window)

    def move(self, window: int, x: int, y: int) -> None:
        _xlib.XMoveWindow(self._display, window, x, y)

    def resize(self, window: int, width: int, height: int) -> None:
        _xlib.XResizeWindow(self._display, window, width, height)

    def destroy(self, window: int) -> None:
        _xlib.XDestroyWindow(self._display, window)

    def set_pointer_picture(self, width: int, height: int, bits: bytes, color: int) -> None:
        """Of two colors and transparent where a bit says so, the hot spot in its middle; over the root and
        the windows on it. It stays as it is: a theme may replace those of the cursor font by moving ones."""
        source, mask = (
            _xlib.XCreateBitmapFromData(self._display, self.root, data, width, height)
            for data in (bits, bits[::-1])
        )
        red, green, blue = (color >> shift & 0xFF for shift in (16, 8, 0))
        front, back = _XColor(0, 257 * red, 257 * green, 257 * blue), _XColor()
        cursor = _xlib.XCreatePixmapCursor(
            self._display, source, mask, byref(front), byref(back), width // 2, height // 2
        )
        _xlib.XDefineCursor(self._display, self.root, cursor)
        _xlib.XFreeCursor(self._display, cursor)
        for bitmap in (source, mask):
            _xlib.XFreePixmap(self._display, bitmap)

    def move_pointer(self, x: int, y: int) -> None:
        _xlib.XWarpPointer(self._display, 0, self.root, 0, 0, 0, 0, x, y)


@contextlib.contextmanager
def xlib(display: str) -> Iterator[Xlib]:
    client = Xlib(display)
    try:
        yield client
    finally:
        client.close()
