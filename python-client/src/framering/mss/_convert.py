"""Screenshots as arrays of the frameworks, which are imported when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framering import _core, _tensors

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from PIL import Image

    from framering.mss.screenshot import ScreenShot

_ORDER = {"BGRA": [0, 1, 2, 3], "BGR": [0, 1, 2], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}
_LAYOUTS = ("HWC", "CHW")
_MODES = ("RGB", "RGBA")
# What one pass over a leased frame can do; the rest goes by way of uint8.
_NATIVE_CHANNELS = ("RGB", "BGR")
_NATIVE_DTYPES = ("uint8", "float16", "float32")


def _one_of(what: str, word: Any, allowed: Any) -> str:
    found = word.upper() if isinstance(word, str) else word
    if found not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(map(repr, allowed))}, not {word!r}")
    return str(found)


def bgra_array(shot: ScreenShot) -> NDArray[Any]:
    """(height, width, 4) uint8 over ``bgra``."""
    import numpy as np

    return np.frombuffer(shot.bgra, np.uint8).reshape(shot.height, shot.width, 4)


def to_pil(shot: ScreenShot, mode: str) -> Image.Image:
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {mode!r}")
    from PIL import Image

    if mode == "RGB":
        return Image.frombytes("RGB", shot.size, shot.rgb)
    return Image.frombytes("RGBA", shot.size, shot.bgra, "raw", "BGRA")


def to_numpy(shot: ScreenShot, channels: str, layout: str, dtype: Any) -> NDArray[Any]:
    import numpy as np

    channels = _one_of("channels", channels, _ORDER)
    layout = _one_of("layout", layout, _LAYOUTS)
    kind = np.dtype(np.uint8 if dtype is None else dtype)
    leased = shot._leased
    if leased is not None and channels in _NATIVE_CHANNELS and kind.name in _NATIVE_DTYPES:
        with leased as frame:
            if frame is not None:
                return _tensors.to_numpy(
                    frame,
                    channels="RGB" if channels == "RGB" else "BGR",
                    layout="HWC" if layout == "HWC" else "CHW",
                    dtype=kind.name,
                    region=leased.rect,
                    resize="nearest",
                )
    picked = bgra_array(shot)[..., _ORDER[channels]]
    if layout == "CHW":
        picked = picked.transpose(2, 0, 1)
    if not np.issubdtype(kind, np.floating):
        return np.ascontiguousarray(picked, kind)
    scaled: NDArray[Any] = np.ascontiguousarray(picked, kind) / kind.type(255)
    return scaled


def to_torch(shot: ScreenShot, channels: str, layout: str, dtype: Any, device: Any) -> torch.Tensor:
    import torch

    channels = _one_of("channels", channels, _ORDER)
    layout = _one_of("layout", layout, _LAYOUTS)
    kind = torch.get_default_dtype() if dtype is None else dtype
    leased = shot._leased
    if leased is not None:
        with leased as frame:
            if frame is not None and frame.device is not None:
                target = device if device is not None or shot._stays_on_device else torch.get_default_device()
                return _on_device(frame, leased.rect, channels, layout, kind, target)
    target = torch.get_default_device() if device is None else device
    if kind in (torch.float16, torch.float32):
        return torch.from_numpy(to_numpy(shot, channels, layout, str(kind).rpartition(".")[2])).to(target)
    return _as_floats(torch.from_numpy(to_numpy(shot, channels, layout, None)).to(target), kind)


def _on_device(
    frame: _core.Frame,
    rect: tuple[int, int, int, int],
    channels: str,
    layout: str,
    dtype: torch.dtype,
    device: Any,
) -> torch.Tensor:
    import torch

    name = str(dtype).rpartition(".")[2]
    if channels in _NATIVE_CHANNELS and name in (*_NATIVE_DTYPES, "bfloat16"):
        tensor = _tensors.to_torch(
            frame,
            channels="RGB" if channels == "RGB" else "BGR",
            layout="HWC" if layout == "HWC" else "CHW",
            dtype=name,
            region=rect,
            resize="nearest",
        )
    else:
        whole: torch.Tensor = torch.from_dlpack(frame)  # type: ignore[attr-defined, unused-ignore]
        left, top, width, height = rect
        part = whole[top : top + height, left : left + width]
        picked = torch.stack([part[..., index] for index in _ORDER[channels]], 2 if layout == "HWC" else 0)
        tensor = _as_floats(picked, dtype)
    return tensor if device is None else tensor.to(device)


def _as_floats(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return tensor.to(dtype) / 255 if dtype.is_floating_point else tensor.to(dtype)


def to_tensorflow(shot: ScreenShot, channels: str, layout: str, dtype: Any) -> Any:
    import tensorflow as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]

    channels = _one_of("channels", channels, _ORDER)
    layout = _one_of("layout", layout, _LAYOUTS)
    return tf.convert_to_tensor(to_numpy(shot, channels, layout, tf.as_dtype(dtype).as_numpy_dtype))
