"""framering.mss on desktops of other depths, and on such as change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import framering.mss
import pytest
from daemons import Daemon, frameringd
from framering.mss import MSS, ScreenShotError
from frames import Program
from screens import desktop, paint


def test_screenshots_of_a_lively_desktop_stay_as_they_were(start_daemon: Callable[..., Daemon]) -> None:
    """Held longer than the ring lasts, by many, while every frame changes all pixels."""
    with desktop("64x48x24", "#000000") as lively:
        socket = start_daemon("--source", "screen", "--display", lively, "--slots", "3").socket
        with MSS(socket=socket) as sct:
            shots = []
            for number in range(30):
                color = (number * 8, 255 - number * 8, number)
                paint(lively, "#{:02x}{:02x}{:02x}".format(*color))
                shots.append((sct.grab((0, 0, 64, 48)), color))
            for shot, color in shots:
                assert set(shot.pixels[47]) == {color}


def test_depths_that_mss_refuses_are_refused(start_daemon: Callable[..., Daemon]) -> None:
    with desktop("64x48x16", "#000000") as shallow:
        socket = start_daemon("--source", "screen", "--display", shallow).socket
        with pytest.raises(
            ScreenShotError, match="Only screens of color depth 24 or 32 are supported, not 16"
        ):
            MSS(socket=socket)


def test_a_screenshot_is_overwritten_only_where_its_process_was_stopped() -> None:
    """And then it says so rather than to show other pixels."""
    program = """
        import sys
        from framering.mss import MSS, ScreenShotError
        with MSS(socket=sys.argv[1]) as sct:
            shot = sct.grab((0, 0, 64, 48))
            print("held", flush=True)
            sys.stdin.readline()
            try:
                shot.bgra
                print("copied")
            except ScreenShotError as error:
                print(error.details["code"])
        """
    with desktop("64x48x24", "#000000") as lively:
        arguments = ("--source", "screen", "--display", lively, "--lease-ms", "100", "--slots", "3")
        with frameringd(*arguments) as daemon, Program(program, str(daemon.socket)) as reader:
            with framering.open(socket=daemon.socket) as stream:
                assert reader.line() == "held"
                os.kill(reader.process.pid, 19)
                frames = 0
                while frames < 12:
                    paint(lively, f"#0000{frames:02x}")
                    stream.next(timeout=20).release()
                    frames += 1
                    time.sleep(0.02)
            os.kill(reader.process.pid, 18)
            assert reader.process.stdin
            reader.process.stdin.write("\n")
            reader.process.stdin.flush()
            assert reader.end() in ("copied\n", "lease_broken\n")
