"""PNG files as MSS writes them, and EDIDs as it reads them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from framering import _png
from framering.mss import _edid

if TYPE_CHECKING:
    from framering._types import Buffer


def to_png(
    rgb: Buffer, size: tuple[int, int], /, *, level: int = 6, output: str | os.PathLike[str] | None = None
) -> bytes | None:
    """Write rows of bytes R, G, B as a PNG to the file ``output``, or return it if there is none.

    ``size``: (width, height). ``level``: of zlib, 0 to 9. The file is on the disk when this returns.
    """
    png = _png.encode(rgb, size, 3, level)
    if not output:
        return png
    with open(output, "wb") as file:
        file.write(png)
        file.flush()
        os.fsync(file.fileno())
    return None


def parse_edid(edid_data: bytes) -> dict[str, str | int]:
    """What a monitor's EDID says: some of id_legacy, serial_number, manufacture_week, manufacture_year,
    model_year and display_name; nothing of one that is damaged.
    """
    return _edid.parse(edid_data)
