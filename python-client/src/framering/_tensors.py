"""Frames as arrays of the frameworks: as they are, or converted in one pass."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from framering import _core
from framering._errors import InvalidArgument

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from framering._types import Channels, Layout, Resize

    Frames = _core.Frame | Sequence[_core.Frame]
    Size = tuple[int, int]
    Region = tuple[int, int, int, int]
    Numbers = float | Sequence[float]

Array = TypeVar("Array")


class _Conversion:
    """What the arguments of the to_* functions ask for; `spec` is None for the pixels as they are."""

    def __init__(
        self,
        frames: Frames,
        default_layout: Layout,
        channels: Channels | None,
        layout: Layout | None,
        dtype: Any,
        size: Size | None,
        region: Region | None,
        resize: Resize | None,
        scale: float | None,
        mean: Numbers | None,
        std: Numbers | None,
        out: Any = None,
        copy: bool | None = None,
    ) -> None:
        self.single = isinstance(frames, _core.Frame)
        self.frames: list[_core.Frame] = [frames] if isinstance(frames, _core.Frame) else list(frames)
        if not self.frames:
            raise InvalidArgument("there are no frames to convert")
        first = self.first = self.frames[0]
        self.spec: _core.TensorSpec | None = None
        asked = (channels, layout, dtype, size, region, resize, scale, mean, std, out)
        if self.single and all(argument is None for argument in asked):
            return
        allow_copy(copy, "a conversion is always a copy")
        if not all((f.shape, f.format) == (first.shape, first.format) for f in self.frames[1:]):
            raise InvalidArgument("the frames of a batch must have one size and format")
        self.dtype = _dtype_name(dtype if dtype is not None else getattr(out, "dtype", None))
        self.spec, shape = _plan(
            first.width,
            first.height,
            len(self.frames),
            channels or "RGB",
            layout or default_layout,
            self.dtype,
            None if size is None else tuple(size),
            None if region is None else tuple(region),
            resize or "bilinear",
            scale,
            _three(mean, 0.0),
            _three(std, 1.0),
        )
        self.shape = shape[1:] if self.single else shape

    def write(self, address: int, stream: int | None = None) -> None:
        assert self.spec
        _core.write_tensor(self.frames, self.spec, address, stream)

    def fresh(self) -> _core.Tensor:
        assert self.spec
        return _core.make_tensor(self.frames, self.spec)

    def one(self, array: Any) -> Any:
        """The array without the axis of frames, where a single frame was asked for."""
        return array[0] if self.single else array


def check_out(
    out: Any,
    kind: str,
    shape: tuple[int, ...],
    dtype: str,
    device: object,
    facts: tuple[object, bool, bool] | None,
) -> None:
    """Raises InvalidArgument that names what is wrong with `out`.

    `facts`: on which device it is, whether it is contiguous and whether writable; None if it is not `kind`.
    """
    if facts is None:
        raise InvalidArgument(f"out must be {kind}, not a {type(out).__name__}")
    where, contiguous, writable = facts
    faults = []
    if tuple(out.shape) != shape:
        faults.append(f"of shape {shape}, not {tuple(out.shape)}")
    if _dtype_name(out.dtype) != dtype:
        faults.append(f"of dtype {dtype}, not {_dtype_name(out.dtype)}")
    if where != device:
        faults.append(f"on {device}, not {where}")
    if not contiguous:
        faults.append("contiguous")
    if not writable:
        faults.append("writable")
    if faults:
        raise InvalidArgument(f"out must be {' and '.join(faults)}")


def check_array(out: Any, shape: tuple[int, ...], dtype: str) -> None:
    """Raises InvalidArgument unless `out` is a NumPy array that takes such a result."""
    import numpy as np

    facts = ("cpu", out.flags.c_contiguous, out.flags.writeable) if isinstance(out, np.ndarray) else None
    check_out(out, "a numpy.ndarray", shape, dtype, "cpu", facts)


@functools.lru_cache(maxsize=256)
def _plan(width: int, height: int, count: int, *spec: Any) -> tuple[_core.TensorSpec, tuple[int, ...]]:
    """How frames of a size are converted, and the shape of the result: the same frame after frame."""
    made = _core.TensorSpec(*spec)
    return made, made.shape(width, height, count)


def allow_copy(copy: bool | None, why: str) -> None:
    """Raises InvalidArgument for copy=False, where there is no other way."""
    if copy is False:
        raise InvalidArgument(f"{why}: leave copy=False out, or take the pixels as they are where they are")


def _three(values: Numbers | None, default: float) -> tuple[float, float, float]:
    if values is None:
        return (default,) * 3
    if isinstance(values, (int, float)):
        return (float(values),) * 3
    numbers = [float(value) for value in values]
    if len(numbers) == 1:
        return (numbers[0],) * 3
    if len(numbers) != 3:
        raise InvalidArgument(f"mean and std are one number or three, not {len(numbers)}")
    return (numbers[0], numbers[1], numbers[2])


@functools.lru_cache(maxsize=64)
def _dtype_name(dtype: Any) -> str:
    """Of torch.float16, numpy.float16, numpy.dtype("float16") or "float16"; uint8 of None."""
    if dtype is None:
        return "uint8"
    if isinstance(dtype, str):
        return dtype
    if not getattr(dtype, "isnative", True):
        return str(dtype)  # of the other byte order, which nothing writes
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or str(dtype)
    return str(name).rpartition(".")[2]


def to_numpy(
    frames: Frames,
    *,
    channels: Channels | None = None,
    layout: Layout | None = None,
    dtype: Any = None,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
    scale: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    out: NDArray[Any] | None = None,
    copy: bool | None = None,
) -> NDArray[Any]:
    """One frame or a batch of them as a NumPy array, (height, width, channels) unless `layout` says "CHW".

    The arguments are those of to_torch(). There is no bfloat16 in NumPy. Frames on a CUDA device are
    converted there, and the result is copied.
    """
    import numpy as np

    conversion = _Conversion(
        frames, "HWC", channels, layout, dtype, size, region, resize, scale, mean, std, out, copy
    )
    if conversion.spec is None:
        first = conversion.first
        if first.device is None:
            return first.numpy().copy() if copy else first.numpy()
        allow_copy(copy, "a frame of a CUDA device is in host memory only as a copy")
        return _copied(first)
    if conversion.dtype == "bfloat16":
        raise InvalidArgument("NumPy has no bfloat16: dtype must be one of uint8, float16, float32")
    if out is None:
        out = np.empty(conversion.shape, conversion.dtype)
    else:
        check_array(out, conversion.shape, conversion.dtype)
    convert_to_host(conversion, out)
    return out


def convert_to_host(conversion: _Conversion, out: NDArray[Any]) -> None:
    if conversion.first.device is None:
        conversion.write(out.ctypes.data)
    else:
        conversion.fresh().copy_to_host(out.ctypes.data)


def _copied(frame: _core.Frame) -> NDArray[Any]:
    import numpy as np

    rows = np.empty((frame.height, frame.stride), np.uint8)
    _core.copy_to_host(frame, rows.ctypes.data)
    pixels = rows[:, : frame.nbytes // frame.height].view(frame.dtype)
    return pixels.reshape(frame.shape)


def to_torch(
    frames: Frames,
    *,
    channels: Channels | None = None,
    layout: Layout | None = None,
    dtype: Any = None,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
    scale: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    out: torch.Tensor | None = None,
    copy: bool | None = None,
) -> torch.Tensor:
    """One frame or a batch of them as a torch tensor on their device.

    A single frame without further arguments is torch.from_dlpack(frame): its pixels as they are, without a
    copy. Otherwise everything is done in one pass, for all frames at once:

    `region`: (x, y, width, height) in pixels of the frame; the whole frame if not given.
    `size`: (height, width) of the result; the region's if not given.
    `resize`: "bilinear" (4 neighbors, no antialiasing, torch's align_corners=False), "area" (the exact mean)
        or "nearest" (torch's "nearest-exact").
    `channels`: "RGB", "BGR" or "GRAY" (0.299 R + 0.587 G + 0.114 B).
    `layout`: "CHW" or "HWC"; a batch has N in front.
    `dtype`: uint8, float16, bfloat16 or float32, by name or as the framework's own; uint8 if not given.
    `scale`, `mean`, `std`: a value is (channel * scale - mean) / std with channel in 0..255; scale is 1 for
        uint8 and 1/255 for the others if not given; mean and std are one number or one for each channel of
        the result.
    `out`: a contiguous tensor that takes the result and is returned; otherwise a fresh one.
    `copy`: True for memory of your own even of the pixels as they are; False raises InvalidArgument where the
        result would be a copy, which every conversion is; None copies where it must.

    On a CUDA device the work is enqueued on torch's current stream and nothing waits for it; the frame's slot
    is given back after it, whenever the frame is released. Raises InvalidArgument, a ValueError that says
    what is allowed.
    """
    import torch

    conversion = _Conversion(
        frames, "CHW", channels, layout, dtype, size, region, resize, scale, mean, std, out, copy
    )
    first = conversion.first
    if conversion.spec is None:
        tensor: torch.Tensor = torch.from_dlpack(first)  # type: ignore[attr-defined, unused-ignore]
        return tensor.clone() if copy else tensor
    device = torch.device("cpu") if first.device is None else torch.device("cuda", first.device)
    if out is None:
        out = torch.empty(conversion.shape, dtype=_torch_dtype(conversion.dtype), device=device)
    else:
        facts = (out.device, out.is_contiguous(), True) if isinstance(out, torch.Tensor) else None
        check_out(out, "a torch.Tensor", conversion.shape, conversion.dtype, device, facts)
    if first.device is None:
        conversion.write(out.data_ptr())
    elif torch.cuda.current_device() == first.device:
        conversion.write(out.data_ptr(), _torch_stream(first.device))
    else:
        with torch.cuda.device(device):
            conversion.write(out.data_ptr(), _torch_stream(first.device))
    return out


def _torch_stream(device: int) -> int:
    """The handle of torch's current stream, as torch's compiled code asks for it: without an object."""
    import torch

    handle: int = torch._C._cuda_getCurrentRawStream(device)  # type: ignore[attr-defined, unused-ignore]
    return handle


@functools.lru_cache(maxsize=8)
def _torch_dtype(name: str) -> torch.dtype:
    import torch

    dtype: torch.dtype = getattr(torch, name)
    return dtype


def to_cupy(
    frames: Frames,
    *,
    channels: Channels | None = None,
    layout: Layout | None = None,
    dtype: Any = None,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
    scale: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    out: Any = None,
    copy: bool | None = None,
) -> Any:
    """One frame or a batch of them as a CuPy array, (height, width, channels) unless `layout` says "CHW".

    The arguments are those of to_torch(), and so is what happens on CuPy's current stream. There is no
    bfloat16 in CuPy. Frames in host memory are converted there and uploaded to CuPy's current device.
    """
    import cupy  # type: ignore[import-not-found, unused-ignore]
    import numpy as np

    conversion = _Conversion(
        frames, "HWC", channels, layout, dtype, size, region, resize, scale, mean, std, out, copy
    )
    first = conversion.first
    if conversion.spec is not None and conversion.dtype == "bfloat16":
        raise InvalidArgument("CuPy has no bfloat16: dtype must be one of uint8, float16, float32")
    if first.device is None:
        allow_copy(copy, "a frame in host memory is on a CUDA device only as a copy")
        if conversion.spec is None:
            return cupy.asarray(first.numpy())
        if out is not None:
            _check_cupy(cupy, out, conversion, None)
        host = np.empty(conversion.shape, conversion.dtype)
        convert_to_host(conversion, host)
        if out is None:
            return cupy.asarray(host)
        out.set(host)
        return out
    with cupy.cuda.Device(first.device):
        if conversion.spec is None:
            array = cupy.from_dlpack(first)
            return array.copy() if copy else array
        if out is None:
            out = cupy.empty(conversion.shape, conversion.dtype)
        else:
            _check_cupy(cupy, out, conversion, first.device)
        conversion.write(out.data.ptr, cupy.cuda.get_current_stream().ptr)
        return out


def _check_cupy(cupy: Any, out: Any, conversion: _Conversion, device: int | None) -> None:
    """`device`: where it must be, None for anywhere."""
    facts = None
    if isinstance(out, cupy.ndarray):
        facts = (device if device is None else out.device.id, out.flags.c_contiguous, True)
    check_out(out, "a cupy.ndarray", conversion.shape, conversion.dtype, device, facts)


def to_jax(
    frames: Frames,
    *,
    channels: Channels | None = None,
    layout: Layout | None = None,
    dtype: Any = None,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
    scale: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    copy: bool | None = None,
) -> Any:
    """One frame or a batch of them as a JAX array, (height, width, channels) unless `layout` says "CHW".

    The arguments are those of to_torch(); JAX's arrays never change, so there is no `out`. The conversion is
    done when this returns.
    """
    import jax  # type: ignore[import-not-found, unused-ignore]

    conversion = _Conversion(
        frames, "HWC", channels, layout, dtype, size, region, resize, scale, mean, std, None, copy
    )
    if conversion.spec is None:
        array = jax.dlpack.from_dlpack(conversion.first)
        return jax.numpy.array(array, copy=True) if copy else array
    return conversion.one(jax.dlpack.from_dlpack(conversion.fresh()))


def to_tensorflow(
    frames: Frames,
    *,
    channels: Channels | None = None,
    layout: Layout | None = None,
    dtype: Any = None,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
    scale: float | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    copy: bool | None = None,
) -> Any:
    """One frame or a batch of them as a TensorFlow tensor, (height, width, channels) unless told otherwise.

    The arguments are those of to_torch(); TensorFlow's tensors never change, so there is no `out`. Of frames
    in host memory it is a copy on the CPU, since TensorFlow takes only some alignments as they are; of frames
    on a CUDA device it is there.
    """
    import tensorflow as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]

    conversion = _Conversion(
        frames, "HWC", channels, layout, dtype, size, region, resize, scale, mean, std, None, copy
    )
    first = conversion.first
    if first.device is None:
        allow_copy(copy, "a frame in host memory becomes a TensorFlow tensor only as a copy")
    if conversion.spec is not None:
        return conversion.one(tf.experimental.dlpack.from_dlpack(conversion.fresh().__dlpack__()))
    if first.device is None:
        return tf.convert_to_tensor(first.numpy())
    tensor = tf.experimental.dlpack.from_dlpack(first.__dlpack__())
    return tf.identity(tensor) if copy else tensor


def conversion_to_bytes(
    frame: _core.Frame,
    channels: Channels,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
) -> _Conversion:
    """To packed rows of 8 bits a channel."""
    return _Conversion(frame, "HWC", channels, None, None, size, region, resize, None, None, None)


def to_bytes(
    frame: _core.Frame,
    channels: Channels,
    *,
    size: Size | None = None,
    region: Region | None = None,
    resize: Resize | None = None,
) -> tuple[bytearray, Size]:
    """Packed rows of 8 bits a channel, without NumPy, and (width, height)."""
    conversion = conversion_to_bytes(frame, channels, size, region, resize)
    height, width, depth = conversion.shape
    pixels = bytearray(height * width * depth)
    address = ctypes.addressof((ctypes.c_ubyte * len(pixels)).from_buffer(pixels))
    if frame.device is None:
        conversion.write(address)
    else:
        conversion.fresh().copy_to_host(address)
    return pixels, (width, height)
