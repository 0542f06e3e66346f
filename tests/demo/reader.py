"""A client of the demo: reads the screen for some seconds and says what it saw, as one line of JSON.

reader.cpp does the same in C++.
"""

import argparse
import json
import time
import zlib

import framering
import numpy
from PIL import Image

COMPARED_BYTES = 8 << 20


def checksum(frame: framering.Frame) -> int:
    """Of the pixels; where they are many, of every second, third ... row."""
    rows = frame.numpy()[:: -(-frame.nbytes // COMPARED_BYTES)]
    return zlib.crc32(numpy.ascontiguousarray(rows).data)


def write_png(frame: framering.Frame, path: str) -> None:
    Image.fromarray(frame.to_numpy(channels="RGB", layout="HWC", dtype="uint8")).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--png", help="where to write the last frame")
    options = parser.parse_args()

    frames, contents, ages_ms = 0, set(), []
    with framering.open() as stream:
        start_ns = time.monotonic_ns()
        end_ns = start_ns + int(options.seconds * 1e9)
        while (left_s := (end_ns - time.monotonic_ns()) / 1e9) > 0:
            try:
                frame = stream.next(left_s)
            except TimeoutError:
                break
            # What was captured before this client came says nothing about how fast frames arrive.
            if frame.capture_ns >= start_ns:
                ages_ms.append((time.monotonic_ns() - frame.capture_ns) / 1e6)
            frames += 1
            contents.add(checksum(frame))
            if not frame.release():
                raise SystemExit("a frame was taken away within its lease time")
        if options.png:
            with stream.latest() as frame:
                write_png(frame, options.png)
        report = {"frames": frames, "unique": len(contents), "missed": stream.missed, "ages_ms": ages_ms}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
