"""A desktop in GPU memory as arrays of each framework: the mapped pixels, equal to the X server's."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import framering
import numpy as np
import pytest
from desktops import HEIGHT, WIDTH, Screen
from frames import wait_until

pytestmark = pytest.mark.gpu

SHAPE = (HEIGHT, WIDTH, 4)


def pointer(frame: framering.Frame) -> int:
    return int(frame.__cuda_array_interface__["data"][0])


class Torch:
    def __init__(self) -> None:
        self.torch = pytest.importorskip("torch")

    def array(self, frame: framering.Frame) -> Any:
        return self.torch.from_dlpack(frame)

    def address(self, array: Any) -> int:
        assert (tuple(array.shape), array.dtype) == (SHAPE, self.torch.uint8)
        assert array.is_contiguous()
        return int(array.data_ptr())

    def on_host(self, array: Any) -> np.ndarray[Any, Any]:
        copy: np.ndarray[Any, Any] = array.cpu().numpy()
        return copy


class TorchHelper(Torch):
    def array(self, frame: framering.Frame) -> Any:
        return frame.to_torch()


class CupyDlpack:
    def __init__(self) -> None:
        self.cupy = pytest.importorskip("cupy")

    def array(self, frame: framering.Frame) -> Any:
        return self.cupy.from_dlpack(frame)

    def address(self, array: Any) -> int:
        assert (array.shape, array.dtype) == (SHAPE, np.uint8)
        return int(array.data.ptr)

    def on_host(self, array: Any) -> np.ndarray[Any, Any]:
        copy: np.ndarray[Any, Any] = array.get()
        return copy


class CupyInterface(CupyDlpack):
    def array(self, frame: framering.Frame) -> Any:
        return self.cupy.asarray(frame)


class CupyHelper(CupyDlpack):
    def array(self, frame: framering.Frame) -> Any:
        return frame.to_cupy()


class Jax:
    def __init__(self) -> None:
        self.jax = pytest.importorskip("jax")

    def array(self, frame: framering.Frame) -> Any:
        return self.jax.dlpack.from_dlpack(frame)

    def address(self, array: Any) -> int:
        assert (array.shape, array.dtype) == (SHAPE, np.uint8)
        return int(array.unsafe_buffer_pointer())

    def on_host(self, array: Any) -> np.ndarray[Any, Any]:
        return np.array(array)


class JaxHelper(Jax):
    def array(self, frame: framering.Frame) -> Any:
        return frame.to_jax()


class Numba:
    def __init__(self) -> None:
        self.cuda = pytest.importorskip("numba.cuda")

    def array(self, frame: framering.Frame) -> Any:
        return self.cuda.as_cuda_array(frame)

    def address(self, array: Any) -> int:
        assert (array.shape, array.dtype) == (SHAPE, np.uint8)
        return int(array.__cuda_array_interface__["data"][0])

    def on_host(self, array: Any) -> np.ndarray[Any, Any]:
        copy: np.ndarray[Any, Any] = array.copy_to_host()
        return copy


READERS = {
    "torch.from_dlpack": Torch,
    "to_torch": TorchHelper,
    "cupy.from_dlpack": CupyDlpack,
    "cupy.asarray": CupyInterface,
    "to_cupy": CupyHelper,
    "jax.dlpack.from_dlpack": Jax,
    "to_jax": JaxHelper,
    "numba.cuda.as_cuda_array": Numba,
}


@pytest.fixture(params=READERS.values(), ids=READERS)
def reader(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_arrays_are_the_mapped_pixels_and_equal_the_x_servers(screen: Screen, reader: Any) -> None:
    with screen.open() as stream:
        for _ in range(3):
            picture = screen.draw()
            frame = screen.shown(stream, picture)
            array = reader.array(frame)
            assert reader.address(array) == pointer(frame)
            assert (reader.on_host(array)[..., :3] == picture).all()
            assert frame.valid


def test_an_array_holds_the_lease_until_it_is_gone(screen: Screen, reader: Any) -> None:
    with screen.open() as stream:
        picture = screen.draw()
        frame = screen.shown(stream, picture)
        array = reader.array(frame)
        del frame
        gc.collect()
        for _ in range(5):
            screen.draw()
        assert screen.leases() == 1
        assert (reader.on_host(array)[..., :3] == picture).all()
        del array
        gc.collect()
        wait_until(lambda: screen.leases() == 0)


def test_a_kernel_of_numba_reads_the_pixels(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = pytest.importorskip("numba.cuda")
    # Numba-cuda 0.30 compiles no kernel without this name, which NumPy 2.5 dropped for vstack.
    monkeypatch.setattr(np, "row_stack", np.vstack, raising=False)

    @cuda.jit  # type: ignore[untyped-decorator]
    def count(pixels: Any, blue: int, total: Any) -> None:
        x, y = cuda.grid(2)
        if y < pixels.shape[0] and x < pixels.shape[1] and pixels[y, x, 0] == blue:
            cuda.atomic.add(total, 0, 1)

    with screen.open() as stream:
        picture = screen.draw()
        frame = screen.shown(stream, picture)
        total = cuda.to_device(np.zeros(1, np.int64))
        count[((WIDTH + 15) // 16, (HEIGHT + 15) // 16), (16, 16)](cuda.as_cuda_array(frame), 77, total)
        assert total.copy_to_host()[0] == (picture[..., 0] == 77).sum()


def test_torchs_own_reader_of_the_interface_wants_the_opt_in(screen: Screen) -> None:
    torch = pytest.importorskip("torch")
    with (
        screen.open() as stream,
        pytest.raises((TypeError, ValueError, RuntimeError), match=r"read.only"),
    ):
        torch.as_tensor(stream.latest(), device="cuda")
    with screen.open(writable=True) as stream:
        frame = stream.latest()
        assert torch.as_tensor(frame, device="cuda").data_ptr() == pointer(frame)


Convert = Callable[..., Any]


def test_torch_converts_as_it_would_itself(screen: Screen) -> None:
    torch = pytest.importorskip("torch")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    with screen.open() as stream:
        frame = screen.shown(stream, screen.draw())
        pixels = torch.from_dlpack(frame)[..., [2, 1, 0]].permute(2, 0, 1)
        assert (frame.to_torch(channels="RGB") == pixels).all()
        normal = (
            pixels.double() / 255 - torch.tensor(mean, device="cuda")[:, None, None].double()
        ) / torch.tensor(std, device="cuda")[:, None, None].double()
        for dtype in (torch.float16, torch.bfloat16, torch.float32):
            got = frame.to_torch(dtype=dtype, mean=mean, std=std)
            assert got.dtype == dtype
            assert (got.double() - normal).abs().max() <= 3 * torch.finfo(dtype).eps
        half = frame.to_torch(size=(360, 640), resize="bilinear", dtype=torch.float32)
        reference = torch.nn.functional.interpolate(
            pixels[None].float() / 255, (360, 640), mode="bilinear", align_corners=False
        )[0]
        assert (half - reference).abs().max() <= 1e-4
        batch = framering.to_torch([frame, frame], size=(360, 640), resize="bilinear", dtype=torch.float32)
        assert (batch == half).all()


def test_cupy_and_jax_convert_alike(screen: Screen) -> None:
    cupy, jax = pytest.importorskip("cupy"), pytest.importorskip("jax")
    with screen.open() as stream:
        picture = screen.draw()
        frame = screen.shown(stream, picture)
        expected = picture[..., ::-1]
        assert (frame.to_cupy(channels="RGB").get() == expected).all()
        out = cupy.empty((HEIGHT, WIDTH, 3), np.uint8)
        assert frame.to_cupy(channels="RGB", out=out) is out
        assert (out.get() == expected).all()
        assert (np.array(frame.to_jax(channels="RGB")) == expected).all()
        assert jax.numpy.allclose(frame.to_jax(dtype="float32"), expected / 255.0, atol=1e-6)
