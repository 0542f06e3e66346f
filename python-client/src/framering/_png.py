"""PNG without a picture library."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framering._types import Buffer

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # gray, RGB, RGBA


def encode(pixels: Buffer, size: tuple[int, int], channels: int, level: int = 6) -> bytes:
    """A PNG of packed rows with 1 (gray), 3 (RGB) or 4 (RGBA) bytes a pixel; ``size``: (width, height)."""
    width, height = size
    row_bytes = width * channels
    with memoryview(pixels) as view, view.cast("B") as rows:
        # Each row is preceded by its filter: none.
        parts = ((b"\0", rows[y * row_bytes : (y + 1) * row_bytes]) for y in range(height))
        lines = b"".join(part for row in parts for part in row)
    header = struct.pack(">2I5B", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    data = zlib.compress(lines, level)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
