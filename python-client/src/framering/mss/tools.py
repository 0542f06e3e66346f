"""PNG files, as MSS writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from framering import _png

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
