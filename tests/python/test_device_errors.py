"""What a process is told that cannot have a device's frames: what is missing, by name."""

from __future__ import annotations

from pathlib import Path

import framering
import pytest
from cuda_driver import FAKE, Cuda
from daemons import Daemon, DeviceDaemon
from frames import FAST, STILL, run

OPEN = """
    import sys, framering
    socket, source, memory = sys.argv[1:]
    try:
        stream = framering.open(source, memory=memory, socket=socket)
        print("opened", stream.memory, stream.latest().device)
    except framering.Error as error:
        print(type(error).__name__, error.code, error)
"""


@pytest.fixture
def fake(cuda: Cuda) -> Cuda:
    """These machines are the fake driver's to make."""
    if not cuda.is_fake:
        pytest.skip("needs a machine without a GPU")
    return cuda


@pytest.fixture
def on_second_device(fake: Cuda, start_daemon: type[Daemon]) -> str:
    env = {**fake.env, "FAKE_CUDA_DEVICES": "2"}
    return str(start_daemon("--source", FAST, "--memory", "cuda:1", env=env).socket)  # type: ignore[call-arg]


def opened(socket: str, memory: str, **env: str) -> str:
    return run(OPEN, socket, FAST, memory, env={"LD_LIBRARY_PATH": str(FAKE), **env})


def test_without_a_driver_the_error_says_where_the_frames_are(device: DeviceDaemon, tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_text("no library")
    output = opened(device.socket, "auto", LD_LIBRARY_PATH=str(tmp_path))
    assert output.startswith("MemoryUnavailable memory_unavailable the stream is in the memory of GPU-")
    assert "there is no CUDA driver here" in output


def test_without_a_device_the_error_says_so(device: DeviceDaemon, fake: Cuda) -> None:
    output = opened(device.socket, "auto", FAKE_CUDA_NO_DEVICE="1")
    assert output.startswith("MemoryUnavailable memory_unavailable")
    assert "finds no usable device" in output


def test_the_wrong_memory_never_falls_back(device: DeviceDaemon) -> None:
    other = "cuda-ipc" if device.memory == "cuda" else "cuda"
    for memory in ("host", other):
        with pytest.raises(framering.MemoryUnavailable, match=device.memory):
            framering.open(STILL, memory=memory, socket=device.socket)


def test_the_device_is_the_one_of_the_daemon_by_its_uuid(on_second_device: str) -> None:
    assert opened(on_second_device, "auto", FAKE_CUDA_DEVICES="2") == "opened cuda 1\n"
    assert opened(on_second_device, "cuda:1", FAKE_CUDA_DEVICES="2") == "opened cuda 1\n"
    # The same device under another number.
    renumbered = opened(on_second_device, "cuda:0", FAKE_CUDA_DEVICES="2", CUDA_VISIBLE_DEVICES="1,0")
    assert renumbered == "opened cuda 0\n"


def test_another_device_than_the_daemons_is_an_error_that_names_both(on_second_device: str) -> None:
    output = opened(on_second_device, "cuda:0", FAKE_CUDA_DEVICES="2")
    assert output.startswith("MemoryUnavailable memory_unavailable")
    assert "67707501, not of GPU 0" in output
    assert "67707500" in output


def test_a_device_that_this_process_does_not_see_is_named(on_second_device: str) -> None:
    output = opened(on_second_device, "auto", FAKE_CUDA_DEVICES="2", CUDA_VISIBLE_DEVICES="0")
    assert output.startswith("MemoryUnavailable memory_unavailable")
    assert "67707501" in output
    assert "CUDA_VISIBLE_DEVICES" in output


FORK = """
    import os, sys, warnings, framering
    warnings.simplefilter("ignore", DeprecationWarning)  # the client has threads
    stream = framering.open(sys.argv[2], memory=sys.argv[3], socket=sys.argv[1])
    frame = stream.latest()
    before = frame.to_numpy()
    def refused(work):
        try:
            work()
            print("no error", flush=True)
        except framering.Error as error:
            print(error.code, bool(error.hint), flush=True)
    child = os.fork()
    if child == 0:
        refused(lambda: stream.next(timeout=1))
        refused(lambda: frame.to_numpy())
        refused(lambda: frame.release(stream=1))
        frame.release()  # the child's own hold alone
        refused(lambda: framering.open(sys.argv[2], socket=sys.argv[1]))
        del frame
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(frame.valid, (frame.to_numpy() == before).all(), frame.release(stream=1))
"""


def test_a_forked_child_is_refused_and_harms_nothing(device: DeviceDaemon) -> None:
    output = run(FORK, device.socket, STILL, device.memory, env=device.cuda.env)
    assert output == "forked True\n" * 4 + "True True True\n"


CAPTURED = """
    import ctypes, sys, framering
    driver = ctypes.CDLL("libcuda.so.1")
    context, captured = ctypes.c_void_p(), ctypes.c_void_p()
    with framering.open(sys.argv[2], socket=sys.argv[1]) as stream:
        assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
        assert driver.cuCtxSetCurrent(context) == 0
        assert driver.cuStreamCreate(ctypes.byref(captured), 1) == 0
        frame = stream.latest()
        try:
            frame.release(stream=captured.value)
        except framering.InvalidArgument as error:
            print(error, frame.valid, stream.stats.leases_held)
        frame.release(stream=1)
        print(frame.valid)
"""


def test_a_stream_that_is_being_captured_gives_no_frame_back(device: DeviceDaemon, fake: Cuda) -> None:
    env = {"LD_LIBRARY_PATH": str(FAKE), "FAKE_CUDA_CAPTURING": "1"}
    output = run(CAPTURED, device.socket, STILL, env=env)
    assert "this stream is being captured into a graph" in output
    assert output.split()[-3:] == ["True", "1", "False"]
