"""Frames as pictures: PIL images, files, what OpenCV reads, what notebooks show."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import framering
import numpy as np
import pytest
from frames import run
from PIL import Image

SIZE = (48, 64)
REGION = (5, 7, 30, 20)


@pytest.fixture
def frame(still_socket: str) -> Iterator[framering.Frame]:
    with framering.open("test:64x48@0.01", socket=still_socket) as stream:
        yield stream.latest(timeout=20)


@pytest.fixture
def rgb(frame: framering.Frame) -> Any:
    """The frame's own pixels, reordered by NumPy."""
    pixels = frame.numpy()[..., 2::-1].copy()
    assert pixels.std() > 10
    return pixels


def test_pil_images_have_the_frames_pixels(frame: framering.Frame, rgb: Any) -> None:
    image = frame.to_pil()
    assert (image.mode, image.size) == ("RGB", (64, 48))
    np.testing.assert_array_equal(np.asarray(image), rgb)
    image.putpixel((0, 0), (1, 2, 3))  # its own memory
    part = frame.to_pil(region=REGION)
    np.testing.assert_array_equal(np.asarray(part), rgb[7:27, 5:35])
    alpha = np.asarray(frame.to_pil("RGBA"))
    np.testing.assert_array_equal(alpha[..., :3], rgb)
    assert (alpha[..., 3] == 255).all()
    gray = np.asarray(frame.to_pil("L")).astype(float)
    np.testing.assert_allclose(gray, rgb @ (0.299, 0.587, 0.114), atol=1)
    assert frame.to_pil(size=(24, 32)).size == (32, 24)


def test_opencv_gets_bgr(frame: framering.Frame, rgb: Any) -> None:
    bgr = frame.to_opencv()
    assert (bgr.shape, bgr.dtype) == ((*SIZE, 3), np.uint8)
    assert bgr.flags.c_contiguous
    assert bgr.flags.writeable
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])
    bgra = frame.to_opencv("BGRA")
    np.testing.assert_array_equal(bgra[..., :3], bgr)
    assert (bgra[..., 3] == 255).all()
    gray = frame.to_opencv("GRAY")
    assert gray.shape == SIZE
    np.testing.assert_allclose(gray, rgb @ (0.299, 0.587, 0.114), atol=1)
    for channels, shape in (("BGR", (20, 30, 3)), ("BGRA", (20, 30, 4)), ("GRAY", (20, 30))):
        out = np.zeros(shape, np.uint8)
        given = frame.to_opencv(channels, region=REGION, out=out)  # type: ignore[arg-type]
        assert given is out
        np.testing.assert_array_equal(out, frame.to_opencv(channels)[7:27, 5:35])  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", ["BGR", "BGRA", "GRAY"])
def test_opencv_refuses_an_out_that_does_not_fit_and_leaves_it_alone(
    frame: framering.Frame, channels: Any
) -> None:
    shape = SIZE if channels == "GRAY" else (*SIZE, len(channels))

    def refused(out: Any, says: str) -> None:
        before = np.array(out)
        with pytest.raises(framering.InvalidArgument) as error:
            frame.to_opencv(channels, out=out)
        assert str(error.value) == f"out must be {says}"
        assert (np.array(out) == before).all()

    refused(np.zeros((*SIZE, 1), np.uint8), f"of shape {shape}, not {(*SIZE, 1)}")
    refused(np.zeros(shape, np.float32), "of dtype uint8, not float32")
    refused(np.zeros((2 * shape[0], *shape[1:]), np.uint8)[::2], "contiguous")
    read_only = np.zeros(shape, np.uint8)
    read_only.flags.writeable = False
    refused(read_only, "writable")
    refused([1], "a numpy.ndarray, not a list")
    refused(bytearray(np.zeros(shape, np.uint8)), "a numpy.ndarray, not a bytearray")


def test_opencv_itself_draws_and_converts(frame: framering.Frame, rgb: Any) -> None:
    cv2 = pytest.importorskip("cv2")
    image = frame.to_opencv()
    np.testing.assert_array_equal(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), rgb)
    cv2.rectangle(image, (2, 2), (9, 9), (255, 0, 0), -1)
    assert tuple(image[5, 5]) == (255, 0, 0)


@pytest.mark.parametrize("ending", [".png", ".PNG", ".jpg", ".jpeg", ".webp"])
def test_files_show_the_frame(frame: framering.Frame, rgb: Any, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"picture{ending}"
    frame.save(file, quality=100)
    with Image.open(file) as image:
        saved = np.asarray(image.convert("RGB")).astype(int)
    assert saved.shape == rgb.shape
    if ending.lower() == ".png":
        np.testing.assert_array_equal(saved, rgb)
    else:
        assert np.abs(saved - rgb).mean() < 12
    frame.save(str(file), region=REGION, size=(10, 15))
    with Image.open(file) as image:
        assert image.size == (15, 10)


def test_quality_is_a_matter_of_size(frame: framering.Frame, tmp_path: Path) -> None:
    sizes = []
    for quality in (5, 95):
        frame.save(tmp_path / "x.jpg", quality=quality)
        sizes.append((tmp_path / "x.jpg").stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda frame: frame.save("x.bmp"), '".png", ".jpg", ".jpeg", ".webp"'),
        (lambda frame: frame.save("x"), "the ending must be one of"),
        (lambda frame: frame.save("x.png", quality=0), "quality must be 1 to 100, not 0"),
        (lambda frame: frame.to_pil("CMYK"), '"RGB", "RGBA", "L"'),
        (lambda frame: frame.to_opencv("RGB"), '"BGR", "BGRA", "GRAY"'),
        (lambda frame: frame.to_pil(region=(0, 0, 65, 48)), "region"),
        (lambda frame: frame.to_numpy(copy=False, channels="RGB"), "a conversion is always a copy"),
        (lambda frame: frame.to_torch(copy=False, size=(4, 4)), "a conversion is always a copy"),
        (lambda frame: frame.to_pil(copy=False), "a PIL image is always a copy"),
        (lambda frame: frame.to_opencv(copy=False), "what OpenCV reads is always a copy"),
    ],
)
def test_what_cannot_be_is_a_value_error_that_says_what_can(
    frame: framering.Frame, call: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(framering.InvalidArgument) as refused:
        call(frame)
    assert isinstance(refused.value, ValueError)
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_notebooks_show_a_png(frame: framering.Frame, rgb: Any) -> None:
    with Image.open(io.BytesIO(frame._repr_png_())) as image:
        np.testing.assert_array_equal(np.asarray(image), rgb)


def test_copy_says_whose_memory_it_is(frame: framering.Frame) -> None:
    own, view = frame.to_numpy(copy=True), frame.to_numpy(copy=False)
    assert np.shares_memory(view, frame.to_numpy())
    assert not np.shares_memory(own, view)
    assert own.flags.writeable
    np.testing.assert_array_equal(own, view)
    tensor = frame.to_torch(copy=True)
    assert tensor.data_ptr() != frame.to_torch().data_ptr() == frame.to_torch(copy=False).data_ptr()


def test_pictures_need_no_numpy_and_pngs_no_pillow(still_socket: str, tmp_path: Path) -> None:
    run(
        """
        import sys
        sys.modules["numpy"] = sys.modules["PIL"] = None
        import framering
        with framering.open("test:64x48@0.01", socket=sys.argv[1]) as stream:
            frame = stream.latest(timeout=20)
            frame.save(sys.argv[2])
            assert frame._repr_png_()[:4] == b"\\x89PNG"
            for call in (frame.to_pil, lambda: frame.save("x.jpg")):
                try:
                    call()
                except ImportError as error:
                    assert "PIL" in str(error)
        """,
        still_socket,
        str(tmp_path / "x.png"),
    )
    assert (tmp_path / "x.png").stat().st_size > 100
