"""Successive frames on one picture, with what changed in each: for whoever debugs a capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framering import _core
from framering._errors import InvalidArgument
from framering._pictures import to_pil

if TYPE_CHECKING:
    from PIL import Image

_MARGIN, _LINE = 6, 14
_DAMAGE, _TEXT, _PAPER = (255, 40, 40), (230, 230, 230), (24, 24, 28)


def contact_sheet(
    stream: _core.Stream, count: int = 12, *, columns: int = 4, width: int = 320, timeout: float = 5.0
) -> Image.Image:
    """The next ``count`` frames of a stream as a PIL image, ``columns`` side by side.

    Each is ``width`` pixels wide, with its damage outlined; below it stand its sequence, the milliseconds
    since the frame before it was captured, and how much of the picture the damage covers. Waits ``timeout``
    seconds for each frame; fewer come if no more arrive. Needs Pillow. Raises InvalidArgument, and what
    next() raises but TimeoutError.
    """
    for name, number in (("count", count), ("columns", columns), ("width", width)):
        if number < 1:
            raise InvalidArgument(f"{name} must be at least 1, not {number}")
    from PIL import Image

    cells = _cells(stream, count, width, timeout)
    columns = max(1, min(columns, len(cells)))
    row_height = max((cell.height for cell in cells), default=0) + _MARGIN
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (width + _MARGIN) + _MARGIN, rows * row_height + _MARGIN), _PAPER)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        sheet.paste(cell, (_MARGIN + column * (width + _MARGIN), _MARGIN + row * row_height))
    return sheet


def _cells(stream: _core.Stream, count: int, width: int, timeout: float) -> list[Image.Image]:
    cells: list[Image.Image] = []
    before_ns = 0
    while len(cells) < count:
        try:
            frame = stream.next(timeout)
        except TimeoutError:
            break
        with frame:
            cells.append(_cell(frame, width, before_ns or frame.capture_ns))
            before_ns = frame.capture_ns
    return cells


def _cell(frame: _core.Frame, width: int, before_ns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    scale = width / frame.width
    height = max(1, round(frame.height * scale))
    cell = Image.new("RGB", (width, height + _LINE), _PAPER)
    cell.paste(to_pil(frame, size=(height, width), resize="area"))
    draw = ImageDraw.Draw(cell)
    for x, y, rect_width, rect_height in frame.damage:
        corners = (x * scale, y * scale, (x + rect_width) * scale - 1, (y + rect_height) * scale - 1)
        left, top, right, bottom = map(round, corners)
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=_DAMAGE)
    changed = sum(rect.width * rect.height for rect in frame.damage) / (frame.width * frame.height)
    elapsed_ms = (frame.capture_ns - before_ns) / 1e6
    draw.text((0, height), f"{frame.sequence}  +{elapsed_ms:.0f} ms  {changed:.1%}", fill=_TEXT)
    return cell
