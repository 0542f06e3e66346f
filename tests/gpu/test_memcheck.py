"""compute-sanitizer finds nothing in what this project runs on the GPU."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import framering
import pytest
from cuda_driver import BUILD, Cuda
from daemons import answers, program
from desktop import start_server
from desktops import run_program
from frames import wait_until
from processes import Processes
from x11 import Desktop

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(240)]

FOUND = 97


@pytest.fixture(scope="module")
def memcheck(gpu: Cuda) -> list[str]:
    tool = shutil.which("compute-sanitizer", path=os.environ["PATH"] + ":/usr/local/cuda/bin")
    if not tool:
        pytest.skip("compute-sanitizer is not on PATH")
    # A refused call is what some tests are about.
    command = [tool, "--tool", "memcheck", "--error-exitcode", str(FOUND), "--report-api-errors", "no"]
    tried = run_program(*command, BUILD / "tests" / "tensor_gpu_test", "--gtest_list_tests")
    if "Device not supported" in tried.stdout + tried.stderr:
        pytest.skip("compute-sanitizer does not support this machine")
    return command


def clean(output: str) -> bool:
    return "ERROR SUMMARY: 0 errors" in output


def test_the_conversions_are_clean(memcheck: list[str]) -> None:
    program = BUILD / "tests" / "tensor_gpu_test"
    done = run_program(*memcheck, program, "--gtest_filter=-*WholeDesktops*", timeout=230)
    assert done.returncode == 0, done.stdout[-4000:]
    assert clean(done.stdout), done.stdout[-4000:]


def test_the_daemon_is_clean_while_a_desktop_changes(memcheck: list[str]) -> None:
    with Processes() as processes, tempfile.TemporaryDirectory(prefix="framering-test-") as folder:
        _, display = start_server(processes, "640x480x24")
        path = str(Path(folder) / "socket")
        words = ["--socket", path, "--display", display, "--memory", "cuda", "--max-fps", "0"]
        checked = processes.start("memcheck", [*memcheck, program(), *words], stdout=subprocess.PIPE)
        wait_until(lambda: answers(Path(path)), 60)
        with framering.open(socket=path) as stream, Desktop(display, 640, 480) as desktop:
            for n in range(40):  # whole frames by DMA, small changes by the kernel
                desktop.fill(*((0, 0, 640, 480) if n % 8 == 0 else (9 * n, 7 * n, 33, 21)), 0x010203 * n)
                desktop.sync()
                stream.next(timeout=20).release()
        os.kill(pid_behind(path), signal.SIGTERM)
        output = checked.child.communicate(timeout=60)[0]
    assert checked.child.returncode == 0, output[-4000:]
    assert clean(output), output[-4000:]


def pid_behind(path: str) -> int:
    """Of the process that listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
