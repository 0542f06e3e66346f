"""A program written for python-mss. Nothing but the import was changed."""

from __future__ import annotations

import os
import sys
import time

from framering.mss import MSS


def main(folder: str) -> None:
    with MSS() as sct:
        print(sct.monitors[1])
        print(sct.shot(output=os.path.join(folder, "monitor-{mon}.png")))
        begin = time.perf_counter()
        for _ in range(50):
            shot = sct.grab(sct.monitors[1])
        print(f"{50 / (time.perf_counter() - begin):.0f} grabs a second of {shot.width}x{shot.height}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
