"""The monitors of an X display: as the daemon tells them, or by RandR 1.5 through the XCB libraries."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import struct
from collections.abc import Iterator
from typing import Any

from framering._types import MonitorInfo
from framering.mss._edid import identify
from framering.mss.exception import ScreenShotError
from framering.mss.models import Monitor

_Pointer = ctypes.c_void_p
_EDID_WORDS = 1024


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


class _Iterator(ctypes.Structure):
    _fields_ = (("data", _Pointer), ("rem", ctypes.c_int), ("index", ctypes.c_int))


def from_info(told: MonitorInfo) -> Monitor:
    """A monitor as the daemon tells it."""
    name, unique_id = identify(told.edid)
    return Monitor(
        told.x, told.y, told.width, told.height, told.primary, name, unique_id, told.output or None
    )


def monitors(display: str | None) -> list[Monitor] | None:
    """Of this display (None: $DISPLAY), in RandR's order; None if it cannot be asked."""
    try:
        with _Server(display) as server:
            return server.monitors()
    except (OSError, ScreenShotError):
        return None


def screen_size(display: str) -> tuple[int, int] | None:
    """Width and height in pixels of a display; None if there is no such one."""
    try:
        with _Server(display) as server:
            return server.screen_size()
    except (OSError, ScreenShotError):
        return None


class _Server:
    """A connection to an X server, for as long as it takes to ask."""

    def __init__(self, display: str | None) -> None:
        self._xcb = _library("xcb", "libxcb.so.1")
        self._randr = _library("xcb-randr", "libxcb-randr.so.0")
        self._libc = ctypes.CDLL(None)
        screen = ctypes.c_int()
        connect = self._xcb.xcb_connect
        connect.restype = _Pointer
        name = None if display is None else display.encode()
        self._connection = _Pointer(connect(name, ctypes.byref(screen)))
        self._screen = screen.value

    def __enter__(self) -> _Server:
        if self._xcb.xcb_connection_has_error(self._connection):
            self.__exit__()
            raise ScreenShotError("cannot connect to the display")
        return self

    def __exit__(self, *_: object) -> None:
        self._xcb.xcb_disconnect(self._connection)

    def monitors(self) -> list[Monitor] | None:
        if self._version() < (1, 5):
            return None
        root = self._root()
        (primary,) = struct.unpack_from("=I", self._ask("get_output_primary", root), 8)
        reply = self._ask("get_monitors", root, ctypes.c_uint8(1))
        (count,) = struct.unpack_from("=I", reply, 12)
        found, at = [], 32
        for _ in range(count):
            _, is_primary, _, output_count, left, top, width, height = struct.unpack_from(
                "=IBBHhhHH", reply, at
            )
            outputs = struct.unpack_from(f"={output_count}I", reply, at + 24)
            at += 24 + 4 * output_count
            output, name, unique_id = None, None, None
            if outputs:
                output, name, unique_id = self._describe(primary if primary in outputs else outputs[0])
            found.append(Monitor(left, top, width, height, bool(is_primary), name, unique_id, output))
        return found

    def _describe(self, output: int) -> tuple[str, str | None, str | None]:
        """Its xrandr name, the model's name and the device's identifier."""
        info = self._ask("get_output_info", ctypes.c_uint32(output), ctypes.c_uint32(0))
        crtcs, modes, _, clones, length = struct.unpack_from("=5H", info, 26)
        at = 36 + 4 * (crtcs + modes + clones)
        name = info[at : at + length].decode("utf-8", "replace")
        return (name, *identify(self._edid(output)))

    def _edid(self, output: int) -> bytes:
        atom = self._atom(b"EDID")
        if not atom:
            return b""
        uint32, uint8 = ctypes.c_uint32, ctypes.c_uint8
        reply = self._ask(
            "get_output_property",
            uint32(output),
            uint32(atom),
            uint32(0),
            uint32(0),
            uint32(_EDID_WORDS),
            uint8(0),
            uint8(0),
        )
        kind, _, items = struct.unpack_from("=3I", reply, 8)
        return reply[32 : 32 + items] if kind else b""

    def _version(self) -> tuple[int, int]:
        self._xcb.xcb_get_extension_data.restype = _Pointer
        extension = ctypes.c_byte.in_dll(self._randr, "xcb_randr_id")
        data = self._xcb.xcb_get_extension_data(self._connection, ctypes.byref(extension))
        if not data or not ctypes.string_at(data, 9)[8]:
            return (0, 0)
        reply = self._ask("query_version", ctypes.c_uint32(1), ctypes.c_uint32(5))
        major, minor = struct.unpack_from("=2I", reply, 8)
        return (major, minor)

    def screen_size(self) -> tuple[int, int]:
        width, height = struct.unpack_from("=2H", ctypes.string_at(self._screen_info(), 24), 20)
        return width, height

    def _root(self) -> ctypes.c_uint32:
        return ctypes.c_uint32.from_address(self._screen_info())

    def _screen_info(self) -> int:
        """Where XCB keeps what the server said of the screen when it was connected to."""
        self._xcb.xcb_get_setup.restype = _Pointer
        setup = _Pointer(self._xcb.xcb_get_setup(self._connection))
        roots = self._xcb.xcb_setup_roots_iterator
        roots.restype = _Iterator
        screens = roots(setup)
        for _ in range(self._screen):
            self._xcb.xcb_screen_next(ctypes.byref(screens))
        return int(screens.data)

    def _atom(self, name: bytes) -> int:
        reply = self._reply(self._xcb, "xcb_intern_atom", ctypes.c_uint8(1), ctypes.c_uint16(len(name)), name)
        (atom,) = struct.unpack_from("=I", reply, 8)
        return int(atom)

    def _ask(self, request: str, *arguments: Any) -> bytes:
        return self._reply(self._randr, "xcb_randr_" + request, *arguments)

    def _reply(self, library: ctypes.CDLL, request: str, *arguments: Any) -> bytes:
        """Sends a request and waits for the bytes of its reply."""
        send = getattr(library, request)
        send.restype = _Cookie
        receive = getattr(library, request + "_reply")
        receive.argtypes = (_Pointer, _Cookie, _Pointer)
        receive.restype = _Pointer
        with self._freed(receive(self._connection, send(self._connection, *arguments), None)) as reply:
            (words,) = struct.unpack_from("=I", ctypes.string_at(reply, 8), 4)
            return ctypes.string_at(reply, 32 + 4 * words)

    @contextlib.contextmanager
    def _freed(self, address: int | None) -> Iterator[int]:
        if not address:
            raise ScreenShotError("the X server gave no answer")
        try:
            yield address
        finally:
            self._libc.free(_Pointer(address))


def _library(name: str, usual: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(usual)
    except OSError:
        found = ctypes.util.find_library(name)
        if not found:
            raise
        return ctypes.CDLL(found)
