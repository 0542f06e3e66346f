"""Frames as pictures: PIL images, files, what OpenCV reads."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from framering import _core, _png, _tensors
from framering._errors import InvalidArgument

if TYPE_CHECKING:
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
    copy: bool | None = None,
) -> Image.Image:
    """Frame.to_pil()."""
    _one_of("mode", mode, _MODES)
    _tensors.allow_copy(copy, "a PIL image is always a copy")
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
    out: Any = None,
    copy: bool | None = None,
) -> Any:
    """Frame.to_opencv()."""
    _one_of("channels", channels, _OPENCV)
    _tensors.allow_copy(copy, "what OpenCV reads is always a copy")
    if frame.device is not None and (out is None or not hasattr(out, "__array_interface__")):
        cv2 = _opencv_with_cuda()
        if cv2 is not None:
            return _to_gpu_mat(cv2, frame, channels, size, region, resize, out)
    import numpy as np

    conversion = _tensors.conversion_to_bytes(
        frame, "GRAY" if channels == "GRAY" else "BGR", size, region, resize
    )
    height, width, _ = conversion.shape
    shape = (height, width) if channels == "GRAY" else (height, width, len(channels))
    if out is None:
        out = np.empty(shape, np.uint8)
    else:
        _tensors.check_array(out, shape, "uint8")
    if channels != "BGRA":
        _tensors.convert_to_host(conversion, out)
        return out
    bgr = np.empty(conversion.shape, np.uint8)
    _tensors.convert_to_host(conversion, bgr)
    out[..., :3] = bgr
    out[..., 3] = 255
    return out


@functools.lru_cache(maxsize=1)
def _opencv_with_cuda() -> Any:
    """The module, if it is installed, was built with CUDA and sees a device."""
    try:
        import cv2

        return cv2 if cv2.cuda.getCudaEnabledDeviceCount() > 0 else None
    except (ImportError, AttributeError):
        return None


def _to_gpu_mat(
    cv2: Any,
    frame: _core.Frame,
    channels: str,
    size: tuple[int, int] | None,
    region: Region4 | None,
    resize: Resize | None,
    out: Any,
) -> Any:
    """Written on the default stream, as OpenCV's own calls are where they are given none."""
    if cv2.cuda.getDevice() != frame.device:
        raise InvalidArgument(
            f"the frame is on CUDA device {frame.device}, OpenCV's current one is {cv2.cuda.getDevice()}: "
            f"call cv2.cuda.setDevice({frame.device})"
        )
    depth = 1 if channels == "GRAY" else 3
    conversion = _tensors.conversion_to_bytes(frame, "GRAY" if depth == 1 else "BGR", size, region, resize)
    rows, columns, _ = conversion.shape
    kind = cv2.CV_8UC1 if depth == 1 else cv2.CV_8UC3
    if out is not None:
        wanted = (columns, rows), cv2.CV_8UC4 if channels == "BGRA" else kind
        if not isinstance(out, cv2.cuda.GpuMat):
            raise InvalidArgument(
                f"out must be a cv2.cuda.GpuMat or a numpy.ndarray, not a {type(out).__name__}"
            )
        if (tuple(out.size()), out.type()) != wanted or not out.isContinuous():
            raise InvalidArgument(f"out must be a continuous GpuMat of {columns}x{rows} for {channels}")
    plain = channels != "BGRA"
    mat = out if plain and out is not None else cv2.cuda.createContinuous(rows, columns, kind)
    conversion.write(mat.cudaPtr(), 0)
    return mat if plain else cv2.cuda.cvtColor(mat, cv2.COLOR_BGR2BGRA, dst=out)


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
