"""Frames as pictures: PIL images, files, what OpenCV reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from framering import _core, _png, _tensors
from framering._errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from framering._types import Channels, Region4, Resize

_MODES = ("RGB", "RGBA", "L")
_OPENCV = ("BGR", "BGRA", "GRAY")
_PILLOW_ENDINGS = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def _one_of(what: str, word: Any, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        words = ", ".join(f'"{one}"' for one in allowed)
        raise InvalidArgument(f"{what} must be one of {words}, not {word!r}")


def to_pil(
    frame: _core.Frame,
    mode: str = "RGB",
    *,
    size: tuple[int, int] | None = None,
    region: Region4 | None = None,
    resize: Resize | None = None,
) -> Image.Image:
    """Frame.to_pil()."""
    _one_of("mode", mode, _MODES)
    from PIL import Image

    channels: Channels = "GRAY" if mode == "L" else "RGB"
    pixels, extent = _tensors.to_bytes(frame, channels, size=size, region=region, resize=resize)
    image = Image.frombytes("L" if mode == "L" else "RGB", extent, pixels)
    return image.convert("RGBA") if mode == "RGBA" else image


def to_opencv(
    frame: _core.Frame,
    channels: str = "BGR",
    *,
    size: tuple[int, int] | None = None,
    region: Region4 | None = None,
    resize: Resize | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Frame.to_opencv()."""
    _one_of("channels", channels, _OPENCV)
    import numpy as np

    what: Any = {"size": size, "region": region, "resize": resize, "layout": "HWC", "dtype": "uint8"}
    if channels == "BGR":
        return _tensors.to_numpy(frame, channels="BGR", out=out, **what)
    if channels == "GRAY":
        gray = _tensors.to_numpy(frame, channels="GRAY", out=None if out is None else out[..., None], **what)
        return gray[..., 0]
    bgr = _tensors.to_numpy(frame, channels="BGR", **what)
    if out is None:
        out = np.empty((*bgr.shape[:2], 4), np.uint8)
    out[..., :3] = bgr
    out[..., 3] = 255
    return out


def save(
    frame: _core.Frame,
    path: str | os.PathLike[str],
    *,
    quality: int = 90,
    size: tuple[int, int] | None = None,
    region: Region4 | None = None,
    resize: Resize | None = None,
) -> None:
    """Frame.save()."""
    ending = os.path.splitext(os.fspath(path))[1].lower()
    _one_of("the ending", ending, (".png", *_PILLOW_ENDINGS))
    if not 1 <= quality <= 100:
        raise InvalidArgument(f"quality must be 1 to 100, not {quality}")
    what: Any = {"size": size, "region": region, "resize": resize}
    if ending != ".png":
        to_pil(frame, **what).save(path, _PILLOW_ENDINGS[ending], quality=quality)
        return
    png = _png.encode(*_tensors.to_bytes(frame, "RGB", **what), 3)
    with open(path, "wb") as file:
        file.write(png)


def _repr_png_(frame: _core.Frame) -> bytes:
    return _png.encode(*_tensors.to_bytes(frame, "RGB"), 3)
