"""A CUDA driver in this process: what tests do with a device beside the frames' readers."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
from pathlib import Path
from typing import Any

import pytest

BUILD = Path(os.environ.get("FRAMERING_BUILD", Path(__file__).parents[2] / "build" / "release"))
FAKE = BUILD / "tests" / "fake_cuda"
KERNELS = BUILD / "tests" / "support" / "test_kernels.fatbin"
LIBRARY = "libcuda.so.1"

PAGE = mmap.PAGESIZE
DEVICEMAP = 2
NON_BLOCKING = 1


def driver_in_this_process() -> str | None:
    """The path of the libcuda that is loaded."""
    with open("/proc/self/maps") as maps:
        paths = [line.split()[-1] for line in maps if "/libcuda.so" in line]
    return paths[0] if paths else None


@functools.cache
def load_fake_driver() -> Cuda:
    """The client finds it by its name from then on, as the loader has it already."""
    if not FAKE.is_dir():
        pytest.skip("this build is without CUDA: it needs nvcc and cuda.h")
    loaded = driver_in_this_process()
    if loaded and not loaded.startswith(str(FAKE)):
        pytest.skip(f"this process has {loaded} loaded")
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return Cuda(str(FAKE / LIBRARY), {"LD_LIBRARY_PATH": str(FAKE)})


@functools.cache
def load_gpu_driver() -> Cuda:
    loaded = driver_in_this_process()
    if loaded and loaded.startswith(str(FAKE)):
        pytest.skip("this process has the fake driver: run pytest -m gpu")
    try:
        return Cuda(LIBRARY, {})
    except (OSError, CudaError) as error:
        pytest.skip(f"there is no usable GPU here: {error}")


class CudaError(Exception):
    pass


class Cuda:
    """Device 0 with its primary context current in the thread that made this."""

    def __init__(self, library: str, env: dict[str, str]) -> None:
        self.env = env  # for the processes that are to have the same driver
        self.is_fake = bool(env)
        self._library = ctypes.CDLL(library)
        self.call("cuInit", 0)
        self._context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), 0)
        self.make_current()
        self._module = ctypes.c_void_p()
        self._kernels = KERNELS.read_bytes()
        self.call("cuModuleLoadData", ctypes.byref(self._module), self._kernels)

    def try_call(self, name: str, *arguments: Any) -> int:
        """The CUresult; integers wider than an int come as ctypes values."""
        result: int = getattr(self._library, name)(*arguments)
        return result

    def call(self, name: str, *arguments: Any) -> None:
        if result := self.try_call(name, *arguments):
            raise CudaError(f"{name} returned {result}")

    def make_current(self) -> None:
        self.call("cuCtxSetCurrent", self._context)

    def stream(self) -> int:
        """A new one that the default stream does not wait for."""
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), NON_BLOCKING)
        assert stream.value
        return stream.value

    def synchronize(self, stream: int) -> None:
        self.call("cuStreamSynchronize", ctypes.c_void_p(stream))

    def allocate(self, size: int) -> int:
        pointer = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def free(self, pointer: int) -> None:
        self.call("cuMemFree_v2", ctypes.c_uint64(pointer))

    def set_bytes(self, pointer: int, value: int, size: int, stream: int) -> int:
        """The CUresult of what was enqueued."""
        return self.try_call(
            "cuMemsetD8Async",
            ctypes.c_uint64(pointer),
            ctypes.c_ubyte(value),
            ctypes.c_size_t(size),
            ctypes.c_void_p(stream),
        )

    def read(self, pointer: int, size: int) -> bytes:
        """Device memory, once a stream of its own has it."""
        stream, pixels = self.stream(), ctypes.create_string_buffer(size)
        self.call(
            "cuMemcpyDtoHAsync_v2",
            pixels,
            ctypes.c_uint64(pointer),
            ctypes.c_size_t(size),
            ctypes.c_void_p(stream),
        )
        self.synchronize(stream)
        self.call("cuStreamDestroy_v2", ctypes.c_void_p(stream))
        return pixels.raw

    def gate(self, stream: int) -> Gate:
        return Gate(self, stream)

    def launch(self, kernel: str, arguments: ctypes.Structure, stream: int) -> None:
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), self._module, kernel.encode())
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(arguments))
        self.call("cuLaunchKernel", function, 1, 1, 1, 1, 1, 1, 0, ctypes.c_void_p(stream), parameters, None)


class GateArguments(ctypes.Structure):
    _fields_ = (("word", ctypes.c_uint64), ("beats", ctypes.c_uint64))


class Gate:
    """Work on a stream that lasts until it is let through."""

    def __init__(self, cuda: Cuda, stream: int) -> None:
        self.stream = stream
        self._cuda = cuda
        self._page = mmap.mmap(-1, PAGE)
        self._word = ctypes.c_uint64.from_buffer(self._page)
        self._address = ctypes.c_void_p(ctypes.addressof(self._word))
        cuda.call("cuMemHostRegister_v2", self._address, ctypes.c_size_t(PAGE), DEVICEMAP)
        on_device = ctypes.c_uint64()
        cuda.call("cuMemHostGetDevicePointer_v2", ctypes.byref(on_device), self._address, 0)
        cuda.launch("test_gate", GateArguments(on_device.value, 0), stream)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *exception: object) -> None:
        self.open()
        self._cuda.synchronize(self.stream)
        self._cuda.call("cuMemHostUnregister", self._address)

    def open(self) -> None:
        self._word.value = 1
