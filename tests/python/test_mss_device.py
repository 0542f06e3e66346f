"""framering.mss over a daemon that keeps its frames on a GPU: screenshots that stay there, and others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mss
import numpy as np
import pytest
from cuda_driver import Cuda
from daemons import Daemon, frameringd
from framering.mss import MSS, ScreenShot, ScreenShotCUDA, ScreenShotError
from screens import desktop, show_noise

WIDTH, HEIGHT = 96, 64
PART = (11, 7, 61, 37)


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """A display, and what the real mss sees on it."""
    with desktop(f"{WIDTH}x{HEIGHT}x24", "#000000") as display:
        show_noise(display, f"{WIDTH}x{HEIGHT}", tmp_path_factory.mktemp("noise"), 4)
        with mss.MSS(display=display) as theirs:
            yield display, np.asarray(theirs.grab((0, 0, WIDTH, HEIGHT))).copy()


@pytest.fixture(scope="module")
def daemon(cuda: Cuda, noise: tuple[str, Any]) -> Iterator[Daemon]:
    arguments = ("--source", "screen", "--display", noise[0], "--memory", "cuda", "--slots", "8")
    with frameringd(*arguments, env=cuda.env) as daemon:
        yield daemon


@pytest.fixture
def expected(noise: tuple[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    left, top, right, bottom = PART
    return noise[1][top:bottom, left:right]


def test_a_screenshot_stays_on_its_device_and_its_interfaces_show_the_region(
    cuda: Cuda, daemon: Daemon, expected: np.ndarray[Any, Any]
) -> None:
    with MSS(device="cuda", socket=daemon.socket) as sct:
        shot = sct.grab(PART)
        assert type(shot) is ScreenShotCUDA
        assert shot.__dlpack_device__() == (2, 0)
        interface = shot.__cuda_array_interface__
        assert (interface["shape"], interface["typestr"], interface["version"]) == ((30, 50, 4), "|u1", 3)
        row_bytes, pixel_bytes, _ = interface["strides"]
        address, read_only = interface["data"]
        assert (row_bytes, pixel_bytes, read_only) == (WIDTH * 4, 4, True)
        rows = [cuda.read(address + row * row_bytes, 50 * 4) for row in range(30)]
        seen = np.frombuffer(b"".join(rows), np.uint8).reshape(30, 50, 4)
        np.testing.assert_array_equal(seen, expected)
        assert shot.valid


def test_what_needs_host_memory_copies(daemon: Daemon, expected: np.ndarray[Any, Any]) -> None:
    with MSS(device="cuda:0", socket=daemon.socket) as sct:
        shot = sct.grab(PART)
        assert isinstance(shot, ScreenShotCUDA)
        np.testing.assert_array_equal(shot.to_numpy(), expected[..., 2::-1])
        assert shot.__dlpack_device__() == (2, 0), "that was a conversion on the device"
        np.testing.assert_array_equal(np.asarray(shot), expected)
        assert bytes(shot.rgb) == expected[..., 2::-1].tobytes()
        with pytest.raises(AttributeError, match="copied to host memory"):
            shot.__cuda_array_interface__  # noqa: B018
        np.testing.assert_array_equal(np.from_dlpack(shot), expected)


def test_a_plain_object_serves_from_device_memory_too(
    daemon: Daemon, expected: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    with MSS(socket=daemon.socket) as sct:
        shots = [sct.grab(PART, fresh=False) for _ in range(6)]
        assert {type(shot) for shot in shots} == {ScreenShot}
        for shot in shots:
            np.testing.assert_array_equal(np.asarray(shot), expected)
        assert bytes(sct.grab(PART).rgb) == expected[..., 2::-1].tobytes()
        assert sct.shot(output=str(tmp_path / "x.png"))


def test_more_screenshots_on_the_device_than_leases_are_refused(daemon: Daemon) -> None:
    with MSS(device="cuda", socket=daemon.socket) as sct:
        shots = [sct.grab(PART, fresh=False) for _ in range(3)]
        with pytest.raises(ScreenShotError, match="leases") as refused:
            sct.grab(PART, fresh=False)
        assert refused.value.details["code"] == "lease_limit"
        assert shots.pop().bgra
        sct.grab(PART, fresh=False)
