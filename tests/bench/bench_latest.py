"""What latest() and MSS's grab() of the same desktop cost a Python process, in turn. Prints JSON.

With --cursor both have the pointer in the picture.
"""

import json
import statistics
import sys
import time

import framering
import mss

ROUNDS, CALLS = 20, 2000


def main() -> None:
    ours: list[float] = []
    theirs: list[float] = []
    pointer = "--cursor" in sys.argv
    with (
        framering.open(cursor="embedded" if pointer else "hidden") as stream,
        mss.MSS(with_cursor=pointer) as grabber,
    ):
        monitor = grabber.monitors[1]
        assert (stream.width, stream.height) == (monitor["width"], monitor["height"])
        stream.latest().release()
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for _ in range(CALLS):
                stream.latest().release()
            ours.append((time.perf_counter() - begin) / CALLS)
            begin = time.perf_counter()
            grabber.grab(monitor)
            theirs.append(time.perf_counter() - begin)
    print(
        json.dumps(
            {
                "latest_us": statistics.median(ours) * 1e6,
                "mss_us": statistics.median(theirs) * 1e6,
                "mss": mss.__version__,
            }
        )
    )


if __name__ == "__main__":
    main()
