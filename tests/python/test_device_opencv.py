"""What OpenCV gets of a frame in GPU memory. It is packaged without CUDA, so a stand-in has its few calls."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import framering
import numpy as np
import pytest
from daemons import DeviceDaemon
from framering import _pictures


class Mat:
    """A cv2.cuda.GpuMat of continuous rows, in device memory."""

    def __init__(self, cuda: Any, rows: int, columns: int, kind: int) -> None:
        self.shape = (rows, columns, kind)
        self._cuda, self._kind = cuda, kind
        self._pointer = cuda.allocate(rows * columns * kind)

    def cudaPtr(self) -> int:  # noqa: N802
        return int(self._pointer)

    def isContinuous(self) -> bool:  # noqa: N802
        return True

    def size(self) -> tuple[int, int]:
        return self.shape[1], self.shape[0]

    def type(self) -> int:
        return self._kind

    def download(self) -> Any:
        rows, columns, kind = self.shape
        self._cuda.synchronize(0)
        return np.frombuffer(self._cuda.read(self._pointer, rows * columns * kind), np.uint8).reshape(
            self.shape
        )


@pytest.fixture
def opencv(device: DeviceDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A kind of element is its number of channels here."""

    def convert(mat: Mat, code: str, dst: Mat | None = None) -> tuple[Mat, str, Mat | None]:
        return mat, code, dst

    cuda = SimpleNamespace(
        getCudaEnabledDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        createContinuous=lambda rows, columns, kind: Mat(device.cuda, rows, columns, kind),
        cvtColor=convert,
        GpuMat=Mat,
    )
    cv2 = SimpleNamespace(cuda=cuda, CV_8UC1=1, CV_8UC3=3, CV_8UC4=4, COLOR_BGR2BGRA="BGR2BGRA")
    monkeypatch.setitem(__import__("sys").modules, "cv2", cv2)
    _pictures._opencv_with_cuda.cache_clear()
    yield cv2
    _pictures._opencv_with_cuda.cache_clear()


@pytest.fixture
def frame(device: DeviceDaemon) -> Iterator[framering.Frame]:
    with framering.open("test:101x37@240", memory=device.memory, socket=device.socket) as stream:
        yield stream.latest()


def test_it_stays_on_the_device(opencv: SimpleNamespace, frame: framering.Frame) -> None:
    pixels = frame.to_numpy()
    np.testing.assert_array_equal(frame.to_opencv().download(), pixels[..., :3])
    part = frame.to_opencv(region=(11, 5, 40, 20))
    np.testing.assert_array_equal(part.download(), pixels[5:25, 11:51, :3])
    gray = frame.to_opencv("GRAY").download()
    np.testing.assert_allclose(gray[..., 0], pixels[..., :3] @ (0.114, 0.587, 0.299), atol=1)
    bgr, code, _ = frame.to_opencv("BGRA")
    assert code == "BGR2BGRA"
    np.testing.assert_array_equal(bgr.download(), pixels[..., :3])


def test_out_takes_the_result_if_it_fits(
    device: DeviceDaemon, opencv: SimpleNamespace, frame: framering.Frame
) -> None:
    out = Mat(device.cuda, 37, 101, opencv.CV_8UC3)
    assert frame.to_opencv(out=out) is out
    np.testing.assert_array_equal(out.download(), frame.to_numpy()[..., :3])
    with pytest.raises(framering.InvalidArgument, match="continuous GpuMat of 101x37 for GRAY"):
        frame.to_opencv("GRAY", out=out)
    with pytest.raises(framering.InvalidArgument, match=r"GpuMat or a numpy.ndarray, not a list"):
        frame.to_opencv(out=[1])


def test_an_array_in_host_memory_is_given_one(opencv: SimpleNamespace, frame: framering.Frame) -> None:
    out = np.zeros((37, 101, 3), np.uint8)
    frame.to_opencv(out=out)
    np.testing.assert_array_equal(out, frame.to_numpy()[..., :3])


def test_another_current_device_is_refused(opencv: SimpleNamespace, frame: framering.Frame) -> None:
    opencv.cuda.getDevice = lambda: 1
    with pytest.raises(framering.InvalidArgument, match=r"call cv2.cuda.setDevice\(0\)"):
        frame.to_opencv()


def test_without_cuda_in_opencv_it_is_an_array(opencv: SimpleNamespace, frame: framering.Frame) -> None:
    opencv.cuda.getCudaEnabledDeviceCount = lambda: 0
    _pictures._opencv_with_cuda.cache_clear()
    assert isinstance(frame.to_opencv(), np.ndarray)
