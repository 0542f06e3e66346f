"""A process that reads frames on the GPU, or that does the same job with MSS and torch. Prints JSON lines.

    bench_reader.py wake SOURCE SECONDS SPIN_US     how long after its publication next() returns a frame
    bench_reader.py framering SECONDS [SPIN_US]     the desktop as RGB CHW float16, each fresh frame once
    bench_reader.py mss SECONDS                     the same with MSS and torch, as often as it goes

It prints "ready" and begins when it is told to, by a line on its standard input.
"""

from __future__ import annotations

import json
import sys
import time

import framering


def wait_for_start() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def wake(source: str, seconds: float, spin_us: int) -> None:
    with framering.open(source) as stream:
        stream.next().release()
        wait_for_start()
        delays: list[int] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = stream.next(spin_us=spin_us)
            now = time.monotonic_ns()
            delays.append(now - frame.published_ns)
            frame.release()
    print(json.dumps(delays))


def job(seconds: float, use_mss: bool, spin_us: int = 0) -> None:
    """What of its time it spends on fresh frames, and how many there were."""
    import torch

    step = mss_step(torch) if use_mss else framering_step(torch, spin_us)
    for _ in range(5):
        step()
    wait_for_start()
    spent_ns: list[int] = []
    parts_ns: list[dict[str, int]] = []
    seen: set[object] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        parts, picture = step()
        spent_ns.append(sum(parts.values()))
        parts_ns.append(parts)
        seen.add(picture)
    print(json.dumps({"spent_ns": spent_ns, "parts_ns": parts_ns, "fresh": len(seen)}))


def framering_step(torch, spin_us):  # type: ignore[no-untyped-def]
    stream = framering.open("screen")

    def step() -> tuple[dict[str, int], object]:
        frame = stream.next(spin_us=spin_us)
        begin = time.perf_counter_ns()
        tensor = frame.to_torch(channels="RGB", layout="CHW", dtype=torch.float16)
        converted = time.perf_counter_ns()
        frame.release()  # after the conversion, on the device
        released = time.perf_counter_ns()
        torch.cuda.current_stream().synchronize()
        end = time.perf_counter_ns()
        parts = {"enqueue": converted - begin, "release": released - converted, "wait": end - released}
        return parts, (frame.sequence, tensor.shape)

    return step


def mss_step(torch):  # type: ignore[no-untyped-def]
    import mss

    grabber = mss.MSS()
    monitor = grabber.monitors[0]

    def step() -> tuple[dict[str, int], object]:
        begin = time.perf_counter_ns()
        picture = grabber.grab(monitor)
        grabbed = time.perf_counter_ns()
        pixels = torch.frombuffer(picture.raw, dtype=torch.uint8).view(picture.height, picture.width, 4)
        tensor = pixels.cuda()[..., [2, 1, 0]].permute(2, 0, 1).to(torch.float16).div_(255)
        torch.cuda.synchronize()
        end = time.perf_counter_ns()
        parts = {"grab": grabbed - begin, "convert": end - grabbed}
        return parts, (bytes(picture.raw[:4]), bytes(picture.raw[-4:]), tensor.shape)

    return step


def main() -> None:
    what, *arguments = sys.argv[1:]
    if what == "wake":
        wake(arguments[0], float(arguments[1]), int(arguments[2]))
    else:
        job(float(arguments[0]), what == "mss", *map(int, arguments[1:]))


if __name__ == "__main__":
    main()
