"""Screenshots: geometry, pixels, and what frameworks make of them."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from framering import _core
from framering.mss import _convert
from framering.mss._pixels import LeasedPixels
from framering.mss.exception import ScreenShotError
from framering.mss.models import Pixel, Pixels, Pos, Size

if TYPE_CHECKING:
    import tensorflow as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import torch
    from numpy.typing import NDArray
    from PIL import Image

    from framering._types import Buffer

Shot = TypeVar("Shot", bound="ScreenShot")


class ScreenShot:
    """One picture of the desktop, in bytes B, G, R, X. Any thread.

    ``data``: packed rows in any buffer of format "B"; ``region``: a Region, a Monitor or a mapping with
    left, top, width and height; ``size``: where the picture has other pixels than the region.

    What ``MSS.grab()`` returns is read where the daemon put it as long as that is possible, and copied when
    it has to be: for ``bgra``, which is writable, when more are held than the stream has leases, and after
    a quarter of the lease time. It stays as it is for ever.
    """

    __slots__ = ("__weakref__", "_data", "_pixels", "_rgb", "pos", "size")
    _stays_on_device: ClassVar = False

    pos: Pos
    size: Size

    def __init__(self, data: Buffer, region: Mapping[str, int], /, *, size: Size | None = None) -> None:
        self.pos = Pos(region["left"], region["top"])
        self.size = Size(region["width"], region["height"]) if size is None else Size(*size)
        view = memoryview(data)
        if view.format != "B" or not view.c_contiguous or view.nbytes != self.width * self.height * 4:
            raise ValueError(
                f"data must be packed bytes (format 'B') of {self.width}x{self.height}x4 = "
                f"{self.width * self.height * 4}, not {view.nbytes} bytes of format {view.format!r}"
            )
        self._data: memoryview | LeasedPixels = view
        self._rgb: memoryview | None = None
        self._pixels: Pixels | None = None

    @classmethod
    def from_size(cls: type[Shot], data: Buffer, width: int, height: int, /) -> Shot:
        """Of these pixels, at the desktop's origin."""
        return cls(data, {"left": 0, "top": 0, "width": width, "height": height})

    @classmethod
    def _of_frame(cls: type[Shot], pixels: LeasedPixels, pos: Pos) -> Shot:
        shot = cls.__new__(cls)
        shot.pos = pos
        shot.size = Size(pixels.rect[2], pixels.rect[3])
        shot._data = pixels
        shot._rgb = None
        shot._pixels = None
        return shot

    def __repr__(self) -> str:
        return f"<{type(self).__name__} pos={self.left},{self.top} size={self.width}x{self.height}>"

    @property
    def left(self) -> int:
        """Pixels from the left edge of the desktop."""
        return self.pos.left

    @property
    def top(self) -> int:
        """Pixels from the top edge of the desktop."""
        return self.pos.top

    @property
    def width(self) -> int:
        """Pixels."""
        return self.size.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.size.height

    @property
    def bgra(self) -> memoryview:
        """Bytes B, G, R, X of packed rows, writable; the fourth is as the X server had it.

        Whoever writes to it after ``rgb`` or ``pixels`` were read does not see that there.
        """
        data = self._data
        if isinstance(data, LeasedPixels):
            self._data = data = data.own()
        return data

    @property
    def _leased(self) -> LeasedPixels | None:
        data = self._data
        return data if isinstance(data, LeasedPixels) else None

    @property
    def raw(self) -> memoryview:
        """Deprecated: use ``bgra``."""
        warnings.warn("The raw property is deprecated.  Use bgra instead.", DeprecationWarning, stacklevel=2)
        return self.bgra

    @property
    def rgb(self) -> memoryview:
        """Bytes R, G, B of packed rows; computed once."""
        if self._rgb is None:
            rgb = bytearray(self.width * self.height * 3)
            if not self._write(rgb, "RGB", "HWC", "uint8"):
                bgra = self.bgra
                rgb[0::3], rgb[1::3], rgb[2::3] = bgra[2::4], bgra[1::4], bgra[0::4]
            self._rgb = memoryview(rgb)
        return self._rgb

    def _write(self, out: bytearray, channels: str, layout: str, dtype: str) -> bool:
        """Converts a leased picture in one pass; False if it is in memory of its own."""
        leased = self._leased
        if leased is None:
            return False
        with leased as frame:
            if frame is None or frame.device is not None:
                return False
            spec = _core.TensorSpec(
                channels, layout, dtype, None, leased.rect, "nearest", None, (0.0,) * 3, (1.0,) * 3
            )
            held = (ctypes.c_ubyte * len(out)).from_buffer(out)
            _core.write_tensor([frame], spec, ctypes.addressof(held))
        return True

    @property
    def pixels(self) -> Pixels:
        """Rows of pixels, each a tuple (R, G, B); computed once."""
        if self._pixels is None:
            rgb, row_bytes = self.rgb, self.width * 3
            rows = (rgb[y * row_bytes : (y + 1) * row_bytes] for y in range(self.height))
            self._pixels = [tuple(zip(row[0::3], row[1::3], row[2::3], strict=True)) for row in rows]
        return self._pixels

    def pixel(self, coord_x: int, coord_y: int) -> Pixel:
        """The (R, G, B) of a pixel; ScreenShotError if it is outside."""
        try:
            return self.pixels[coord_y][coord_x]
        except IndexError as error:
            raise ScreenShotError(f"Pixel location ({coord_x}, {coord_y}) is out of range.") from error

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """NumPy's array interface, version 3: (height, width, 4) uint8, BGRX, writable."""
        return {
            "version": 3,
            "shape": (self.height, self.width, 4),
            "typestr": "|u1",
            "data": self.bgra,
        }

    def to_pil(self, mode: str = "RGB") -> Image.Image:
        """A PIL image of its own memory, of mode "RGB" or "RGBA"; ValueError for another one."""
        return _convert.to_pil(self, mode)

    def to_numpy(self, channels: str = "RGB", layout: str = "HWC", dtype: Any = None) -> NDArray[Any]:
        """A NumPy array of its own memory.

        ``channels``: "BGRA", "BGR", "RGB" or "RGBA", any case; ``layout``: "HWC" or "CHW"; ``dtype``: uint8
        if None; floats are in [0, 1]. ValueError for another word.
        """
        return _convert.to_numpy(self, channels, layout, dtype)

    def to_torch(
        self, channels: str = "RGB", layout: str = "CHW", dtype: Any = None, device: Any = None
    ) -> torch.Tensor:
        """A torch tensor; the words are those of ``to_numpy()``.

        ``dtype`` and ``device``: torch's defaults if None; of a ScreenShotCUDA its own device.
        """
        return _convert.to_torch(self, channels, layout, dtype, device)

    def to_tensorflow(self, channels: str = "RGB", layout: str = "HWC", dtype: Any = "float32") -> tf.Tensor:
        """A TensorFlow tensor; the words are those of ``to_numpy()``."""
        return _convert.to_tensorflow(self, channels, layout, dtype)


class _DeviceShot(ScreenShot):
    """A screenshot that readers of DLPack see without a copy."""

    __slots__ = ()

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule over (height, width, 4) uint8, BGRX, read-only; see ``framering.Frame.__dlpack__``.

        It keeps the frame, within the lease time. Once the pixels are in memory of their own it is over
        that, and writable.
        """
        leased = self._leased
        if leased is not None:
            with leased as frame:
                if frame is not None:
                    return _core.region_dlpack(
                        frame,
                        leased.rect,
                        stream=stream,
                        max_version=max_version,
                        dl_device=dl_device,
                        copy=copy,
                    )
        array = _convert.bgra_array(self)
        return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """(1, 0): host memory; (2, n): CUDA device n."""
        leased = self._leased
        if leased is not None:
            with leased as frame:
                if frame is not None:
                    return frame.__dlpack_device__()
        return (1, 0)

    @property
    def valid(self) -> bool:
        """False once the daemon has taken the frame back, after its lease time."""
        leased = self._leased
        frame = None if leased is None else leased.frame
        return frame is None or frame.valid


class ScreenShotCPU(_DeviceShot):
    """Of ``MSS(device="cpu")``: read-only arrays over the daemon's memory by DLPack."""

    __slots__ = ()


class ScreenShotCUDA(_DeviceShot):
    """Of ``MSS(device="cuda")``: the pixels stay on the GPU, for the lease time.

    DLPack and the CUDA array interface see them in place; ``to_torch()`` converts them there. What needs
    host memory (``bgra``, ``rgb``, ``to_numpy()``, ...) copies once. Nothing copies them by itself: keep a
    screenshot no longer than the lease time, or copy it.
    """

    __slots__ = ()
    _stays_on_device = True

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The CUDA array interface, version 3: (height, width, 4) uint8, BGRX, read-only."""
        leased = self._leased
        if leased is not None:
            left, top, width, height = leased.rect
            with leased as frame:
                if frame is not None:
                    interface: dict[str, Any] = frame.__cuda_array_interface__
                    address, read_only = interface["data"]
                    interface["data"] = (address + top * frame.stride + left * 4, read_only)
                    interface["shape"] = (height, width, 4)
                    interface["strides"] = None if width * 4 == frame.stride else (frame.stride, 4, 1)
                    return interface
        raise AttributeError("this screenshot was copied to host memory: it has __array_interface__")
