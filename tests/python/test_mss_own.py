"""framering.mss by itself: what MSS 11 has and the real one here lacks, leases, devices, the daemon."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import framering.mss
import mss
import numpy as np
import pytest
import torch
from daemons import Daemon, frameringd
from framering.mss import MSS, Monitor, Pos, Region, ScreenShot, ScreenShotCPU, ScreenShotError, Size
from frames import leases_held, run, wait_until
from screens import desktop, paint, show_noise

WIDTH, HEIGHT = 320, 200
ALL = (0, 0, WIDTH, HEIGHT)
PART = (11, 7, 111, 57)


@pytest.fixture(scope="module")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with desktop(f"{WIDTH}x{HEIGHT}x24", "#000000") as display:
        show_noise(display, f"{WIDTH}x{HEIGHT}", tmp_path_factory.mktemp("noise"), 2)
        yield display


@pytest.fixture(scope="module")
def daemon(display: str) -> Iterator[Daemon]:
    with frameringd("--source", "screen", "--display", display) as daemon:
        yield daemon


@pytest.fixture(autouse=True)
def _environment(display: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("FRAMERING_SOCKET", str(daemon.socket))


@pytest.fixture(scope="module")
def noise(display: str) -> np.ndarray[Any, Any]:
    """What is on the screen, (height, width, 4), as the real mss sees it."""
    with mss.MSS(display=display) as theirs:
        pixels = np.asarray(theirs.grab(ALL)).copy()
    assert pixels[..., :3].std() > 60
    return pixels


@pytest.fixture
def sct() -> Iterator[MSS]:
    with MSS() as sct:
        yield sct


def cut(pixels: np.ndarray[Any, Any], region: tuple[int, int, int, int]) -> np.ndarray[Any, Any]:
    left, top, right, bottom = region
    return pixels[top:bottom, left:right]


# --- models ---


def test_a_region_can_be_changed_and_a_monitor_cannot(sct: MSS) -> None:
    monitor = sct.monitors[1]
    region = monitor.as_region()
    assert region == Region(0, 0, WIDTH, HEIGHT)
    region.width = 5
    assert sct.grab(region).size == (5, HEIGHT)
    with pytest.raises(AttributeError):
        monitor.width = 5  # type: ignore[misc]
    assert hash(monitor) == hash(Monitor(**monitor))
    assert {monitor: 1}[monitor] == 1


def test_fields_of_other_kinds_are_no_keys() -> None:
    monitor = Monitor(1, 2, 3, 4, name="x")
    assert dict(monitor) == {"left": 1, "top": 2, "width": 3, "height": 4, "name": "x"}
    assert monitor["output"] is None
    assert (monitor.get("output"), monitor.get("output", "?"), monitor.get("name", "?")) == (None, "?", "x")
    assert len(monitor) == 5
    for key in ("as_region", "__class__", "right"):
        with pytest.raises(KeyError):
            monitor[key]


def test_facts_for_people_and_of_places_are_what_mss_has(sct: MSS) -> None:
    assert all(isinstance(line, str) and line for line in sct.performance_status)
    with pytest.raises(AttributeError):
        sct.performance_status = []  # type: ignore[misc]
    shot = sct.grab((1, 2, 4, 8))
    assert (shot.pos, shot.size) == (Pos(left=1, top=2), Size(width=3, height=6))


# --- arrays of a screenshot, leased and copied ---

ORDER = {"BGRA": [0, 1, 2, 3], "BGR": [0, 1, 2], "RGB": [2, 1, 0], "RGBA": [2, 1, 0, 3]}


@pytest.fixture(params=["leased", "copied", "given"])
def shot(request: pytest.FixtureRequest, sct: MSS, noise: np.ndarray[Any, Any]) -> ScreenShot:
    """The same part of the screen, with its pixels in each place where they can be."""
    if request.param == "given":
        return ScreenShot(bytearray(cut(noise, PART).tobytes()), Region(11, 7, 100, 50))
    shot = sct.grab(PART)
    if request.param == "copied":
        assert shot.bgra
    return shot


@pytest.mark.parametrize("dtype", [None, "uint8", np.float16, "float32", np.float64, np.int32, "<u2"])
@pytest.mark.parametrize("layout", ["HWC", "chw"])
@pytest.mark.parametrize("channels", ["BGRA", "bgr", "RGB", "rgba"])
def test_to_numpy(
    shot: ScreenShot, noise: np.ndarray[Any, Any], channels: str, layout: str, dtype: Any
) -> None:
    expected = cut(noise, PART)[..., ORDER[channels.upper()]]
    if layout == "chw":
        expected = expected.transpose(2, 0, 1)
    array = shot.to_numpy(channels, layout, dtype)
    assert array.dtype == np.dtype(np.uint8 if dtype is None else dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if array.dtype.kind == "f":
        tolerance = 1e-3 if array.dtype == np.float16 else 1e-6
        np.testing.assert_allclose(array, expected / 255, atol=tolerance)
    else:
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "dtype", [None, torch.uint8, torch.float16, torch.bfloat16, torch.float64, torch.int32]
)
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
def test_to_torch(shot: ScreenShot, noise: np.ndarray[Any, Any], layout: str, dtype: Any) -> None:
    expected = cut(noise, PART)[..., 2::-1].astype(np.float64)
    if layout == "CHW":
        expected = expected.transpose(2, 0, 1)
    tensor = shot.to_torch(layout=layout, dtype=dtype)
    assert tensor.dtype == (torch.float32 if dtype is None else dtype)
    if tensor.dtype.is_floating_point:
        expected /= 255
    np.testing.assert_allclose(tensor.double().numpy(), expected, atol=4e-3)


def test_to_torch_takes_torchs_defaults(shot: ScreenShot) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert shot.to_torch().dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert shot.to_torch(device="meta").device.type == "meta"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_to_pil(shot: ScreenShot, noise: np.ndarray[Any, Any], mode: str) -> None:
    image = shot.to_pil(mode)
    assert (image.mode, image.size) == (mode, shot.size)
    np.testing.assert_array_equal(np.asarray(image), cut(noise, PART)[..., ORDER[mode]])


@pytest.mark.parametrize(
    ("call", "choices"),
    [
        (lambda s: s.to_numpy("GRAY"), "'BGRA', 'BGR', 'RGB', 'RGBA', not 'GRAY'"),
        (lambda s: s.to_numpy(3), "'BGRA', 'BGR', 'RGB', 'RGBA', not 3"),
        (lambda s: s.to_numpy(layout="NCHW"), "'HWC', 'CHW', not 'NCHW'"),
        (lambda s: s.to_torch("XYZ"), "'RGB'"),
        (lambda s: s.to_torch(layout=None), "'CHW', not None"),
        (lambda s: s.to_pil("rgb"), "'RGB', 'RGBA', not 'rgb'"),
        (lambda s: s.to_pil("L"), "'RGB', 'RGBA', not 'L'"),
    ],
)
def test_a_wrong_word_is_a_value_error_that_lists_the_right_ones(
    shot: ScreenShot, call: Callable[[ScreenShot], Any], choices: str
) -> None:
    with pytest.raises(ValueError, match="must be one of") as refused:
        call(shot)
    assert choices in str(refused.value)


def test_bgra_is_writable_and_rgb_stays(shot: ScreenShot, noise: np.ndarray[Any, Any]) -> None:
    rgb = shot.rgb
    assert shot.rgb is rgb
    assert isinstance(rgb, memoryview)
    assert (shot.bgra.format, shot.bgra.nbytes, shot.bgra.readonly) == ("B", 100 * 50 * 4, False)
    before = bytes(rgb)
    np.asarray(shot)[...] = 0
    assert bytes(shot.bgra) == bytes(100 * 50 * 4)
    assert bytes(shot.rgb) == before == cut(noise, PART)[..., 2::-1].tobytes()


def test_raw_warns_and_is_bgra(shot: ScreenShot) -> None:
    with pytest.warns(DeprecationWarning, match="Use bgra instead"):
        assert bytes(shot.raw) == bytes(shot.bgra)


@pytest.mark.parametrize(
    "data",
    [bytearray(15), bytearray(17), np.zeros(4, np.uint32), np.zeros((4, 8), np.uint8)[:, ::2]],
    ids=["short", "long", "words", "strided"],
)
def test_data_that_is_not_packed_bytes_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="data must be packed bytes"):
        ScreenShot.from_size(data, 2, 2)


def test_any_buffer_of_bytes_will_do() -> None:
    for data in (bytes(16), bytearray(16), memoryview(bytes(16)), np.zeros((2, 2, 4), np.uint8)):
        shot = ScreenShot(data, Monitor(0, 0, 2, 2))
        assert shot.bgra.nbytes == 16
    scaled = ScreenShot(bytes(64), Region(5, 6, 2, 2), size=Size(4, 4))
    assert (scaled.pos, scaled.size) == ((5, 6), (4, 4))


# --- freshness ---


def test_a_grab_is_never_older_than_the_call(sct: MSS, display: str, noise: np.ndarray[Any, Any]) -> None:
    with (
        desktop("64x48x24", "#000000") as other,
        frameringd("--source", "screen", "--display", other) as daemon,
        MSS(socket=daemon.socket, display=other) as grabber,
    ):
        for number in range(40):
            color = (number * 5 % 256, number * 11 % 256, number * 3 % 256)
            paint(other, "#{:02x}{:02x}{:02x}".format(*color))
            assert grabber.grab((3, 4, 13, 14)).pixel(9, 9) == color


def test_a_still_desktop_is_grabbed_without_being_captured_again(sct: MSS, daemon: Daemon) -> None:
    sct.grab(ALL)
    with framering.connect(daemon.socket) as connection:
        before = connection.list()[0].captures
        for _ in range(20):
            sct.grab(ALL)
        assert connection.list()[0].captures <= before + 1  # the safety frame


def test_a_changing_desktop_is_captured_when_it_is_grabbed() -> None:
    with (
        desktop("64x48x24", "#000000") as other,
        frameringd("--source", "screen", "--display", other) as daemon,
        MSS(socket=daemon.socket, display=other) as grabber,
        framering.connect(daemon.socket) as connection,
    ):
        grabber.grab((0, 0, 64, 48))
        begin, before = time.monotonic(), connection.list()[0].captures
        for number in range(30):
            paint(other, f"#0000{number:02x}")
        seconds = time.monotonic() - begin
        assert connection.list()[0].captures - before <= seconds + 2
        assert grabber.grab((0, 0, 64, 48)).pixel(9, 9) == (0, 0, 29)


def test_not_fresh_asks_nobody(sct: MSS, daemon: Daemon) -> None:
    sct.grab(ALL, fresh=False)
    os.kill(daemon.pid, 19)  # SIGSTOP
    try:
        for _ in range(10):
            assert sct.grab(ALL, fresh=False).size == (WIDTH, HEIGHT)
    finally:
        os.kill(daemon.pid, 18)  # SIGCONT


# --- leases ---


def test_any_number_of_screenshots_may_be_held(sct: MSS, noise: np.ndarray[Any, Any], daemon: Daemon) -> None:
    shots = [sct.grab(ALL, fresh=False) for _ in range(20)]
    assert leases_held(str(daemon.socket)) <= 2
    for shot in shots:
        np.testing.assert_array_equal(np.asarray(shot), noise)


def test_a_screenshot_that_is_dropped_gives_its_lease_back(sct: MSS, daemon: Daemon) -> None:
    shot = sct.grab(ALL)
    assert leases_held(str(daemon.socket)) == 1
    del shot
    assert leases_held(str(daemon.socket)) == 0


def test_a_screenshot_that_is_held_gives_its_lease_back_before_its_time(
    display: str, noise: np.ndarray[Any, Any]
) -> None:
    with frameringd("--source", "screen", "--display", display, "--lease-ms", "2000") as daemon:
        with MSS(socket=daemon.socket) as sct:
            shot = sct.grab(ALL)
            assert leases_held(str(daemon.socket)) == 1
            wait_until(lambda: leases_held(str(daemon.socket)) == 0)
        np.testing.assert_array_equal(np.asarray(shot), noise)


def test_ten_thousand_grabs_grow_nothing(sct: MSS) -> None:
    def resident() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def grab(count: int) -> None:
        for number in range(count):
            shot = sct.grab(ALL, fresh=False)
            assert len(sct._capture._held) <= 2  # type: ignore[union-attr]
            if number % 16 == 0:
                assert shot.bgra
            if number % 50 == 0:
                assert shot.rgb

    grab(1000)
    gc.collect()
    threads, fds, before = threading.active_count(), len(os.listdir("/proc/self/fd")), resident()
    grab(10_000)
    gc.collect()
    assert threading.active_count() <= threads + 1
    assert len(os.listdir("/proc/self/fd")) == fds
    assert resident() - before < 8 << 20


def test_many_threads_use_one_object(sct: MSS, noise: np.ndarray[Any, Any]) -> None:
    def work(number: int) -> None:
        for step in range(25):
            left, top = (number * 13 + step * 7) % 200, (number * 5 + step * 3) % 100
            region = (left, top, left + 60, top + 40)
            shot = sct.grab(region, fresh=step % 5 == 0)
            assert shot.pos == (left, top)
            np.testing.assert_array_equal(np.asarray(shot), cut(noise, region))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


# --- devices ---


def test_a_device_decides_the_class() -> None:
    with MSS(device="cpu") as sct:
        shot = sct.grab(ALL)
        assert type(shot) is ScreenShotCPU
        assert repr(shot) == f"<ScreenShotCPU pos=0,0 size={WIDTH}x{HEIGHT}>"
    for wrong in ("gpu", "cuda1", ""):
        with pytest.raises(ValueError, match="'cpu', 'cuda' or 'cuda:N'"):
            MSS(device=wrong)
    with pytest.raises(ScreenShotError, match="cuda"):
        MSS(device="cuda")  # the daemon has host memory


def test_dlpack_sees_the_daemons_memory_without_a_copy(noise: np.ndarray[Any, Any], daemon: Daemon) -> None:
    with MSS(device="cpu") as sct:
        shot = sct.grab(PART, fresh=False)
        assert isinstance(shot, ScreenShotCPU)
        assert shot.__dlpack_device__() == (1, 0)
        array, other = np.from_dlpack(shot), np.from_dlpack(sct.grab(PART, fresh=False))
        np.testing.assert_array_equal(array, cut(noise, PART))
        assert array.strides == (WIDTH * 4, 4, 1)
        assert not array.flags.writeable
        assert np.shares_memory(array, other)
        np.testing.assert_array_equal(torch.from_dlpack(shot).numpy(), array)
        copy = np.from_dlpack(shot, copy=True)
        assert copy.flags.writeable
        assert not np.shares_memory(copy, array)
        del shot, other
        assert leases_held(str(daemon.socket)) == 1, "the array holds it"
        del array
        assert leases_held(str(daemon.socket)) == 0


def test_dlpack_of_a_screenshot_with_memory_of_its_own(noise: np.ndarray[Any, Any]) -> None:
    with MSS(device="cpu") as sct:
        shot = sct.grab(PART)
        assert isinstance(shot, ScreenShotCPU)
        assert np.shares_memory(np.asarray(shot), np.from_dlpack(shot))
        np.testing.assert_array_equal(np.from_dlpack(shot), cut(noise, PART))
        assert shot.valid


# --- displays and daemons ---


def test_a_display_that_is_none_or_another_is_refused(display: str) -> None:
    with pytest.raises(ScreenShotError, match="Cannot connect to display"):
        MSS(display=":987")
    with desktop("64x48x24", "#000000") as other, pytest.raises(ScreenShotError, match="another display"):
        MSS(display=other)
    with MSS(display=display.encode()) as sct:
        assert sct.grab((0, 0, 1, 1)).size == (1, 1)


def test_without_a_daemon_one_line_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ScreenShotError) as missing:
        MSS(socket=tmp_path / "socket")
    assert "\n" not in str(missing.value)
    assert f"frameringd --socket {tmp_path}/socket" in str(missing.value)
    assert "FRAMERING_AUTOSTART=1" in str(missing.value)
    assert missing.value.details["code"] == "unavailable"


def test_after_the_daemons_end_the_next_grab_tries_again(display: str, noise: np.ndarray[Any, Any]) -> None:
    with frameringd("--source", "screen", "--display", display) as daemon:
        sct = MSS(socket=daemon.socket)
        shot = sct.grab(ALL)
    np.testing.assert_array_equal(np.asarray(shot), noise)
    with pytest.raises(ScreenShotError):
        sct.grab(ALL)
    with pytest.raises(ScreenShotError, match="cannot connect"):
        sct.grab(ALL)
    sct.close()


def test_an_error_in_the_body_beats_one_of_close(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: MSS) -> None:
        raise RuntimeError("close")

    monkeypatch.setattr(MSS, "close", fail)
    with pytest.raises(KeyError), MSS():
        raise KeyError("body")
    with pytest.raises(RuntimeError, match="close"), MSS():
        pass


# --- processes ---


def test_each_process_has_an_object_of_its_own(display: str, daemon: Daemon) -> None:
    output = run(
        """
        import multiprocessing, os
        from framering.mss import MSS, ScreenShotError

        def work(number):
            with MSS() as sct:
                return sct.grab((number, 0, number + 4, 4)).pixels

        if __name__ == "__main__":
            outer = MSS()
            with multiprocessing.get_context("fork").Pool(3) as pool:
                seen = pool.map(work, range(6))
            for number, pixels in enumerate(seen):
                assert outer.grab((number, 0, number + 4, 4)).pixels == pixels
            if os.fork() == 0:
                try:
                    outer.grab((0, 0, 4, 4))
                except ScreenShotError as error:
                    os._exit(7 if "another process" in str(error) else 1)
                os._exit(2)
            print(os.waitstatus_to_exitcode(os.wait()[1]))
        """
    )
    assert output == "7\n"


def test_every_order_of_dying_is_silent() -> None:
    """Interpreter exit with everything alive, in -X dev with warnings as errors."""
    run(
        """
        from framering.mss import MSS
        sct = MSS()
        shots = [sct.grab((0, 0, 50, 50)) for _ in range(3)]
        views = [shot.bgra for shot in shots]
        held = sct.grab((0, 0, 50, 50))
        iterator = sct.save(output="/dev/null")
        """
    )
