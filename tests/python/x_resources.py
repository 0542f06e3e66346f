"""What the clients of an X server have made in it, by the extension X-Resource."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_int, c_uint, c_uint32, c_void_p
from typing import Any


class _Cookie(Structure):
    _fields_ = (("sequence", c_uint),)


class _Client(Structure):
    _fields_ = (("base", c_uint32), ("mask", c_uint32))


class _Type(Structure):
    _fields_ = (("atom", c_uint32), ("count", c_uint32))


_xcb = ctypes.CDLL("libxcb.so.1")
_res = ctypes.CDLL("libxcb-res.so.0")
_libc = ctypes.CDLL(None)
_xcb.xcb_connect.restype = c_void_p
_xcb.xcb_connect.argtypes = [c_char_p, POINTER(c_int)]
_xcb.xcb_disconnect.argtypes = [c_void_p]
_xcb.xcb_generate_id.argtypes = [c_void_p]
_xcb.xcb_generate_id.restype = c_uint32
_libc.free.argtypes = [c_void_p]


def _ask(request: str, element: type[Structure], items: str, connection: int, *arguments: int) -> list[Any]:
    ask = getattr(_res, f"xcb_res_{request}")
    ask.restype, ask.argtypes = _Cookie, [c_void_p, *[c_uint32] * len(arguments)]
    answer = getattr(_res, f"xcb_res_{request}_reply")
    answer.restype, answer.argtypes = c_void_p, [c_void_p, _Cookie, c_void_p]
    first = getattr(_res, f"xcb_res_{request}_{items}")
    first.restype, first.argtypes = POINTER(element), [c_void_p]
    length = getattr(_res, f"xcb_res_{request}_{items}_length")
    length.argtypes = [c_void_p]
    reply = answer(connection, ask(connection, *arguments), None)
    if not reply:
        return []  # a client that has gone
    try:
        return [element.from_buffer_copy(first(reply)[i]) for i in range(length(reply))]
    finally:
        _libc.free(reply)


def count_resources(display: str) -> int:
    """Windows, pixmaps, regions, damages and so on, of all clients together but the one that asks."""
    connection = _xcb.xcb_connect(display.encode(), None)
    try:
        own = _xcb.xcb_generate_id(connection)
        clients = _ask("query_clients", _Client, "clients", connection)
        assert clients, "the X server lacks the extension X-Resource"
        others = [client for client in clients if own & ~client.mask != client.base]
        return sum(
            kind.count
            for client in others
            for kind in _ask("query_client_resources", _Type, "types", connection, client.base)
        )
    finally:
        _xcb.xcb_disconnect(connection)
