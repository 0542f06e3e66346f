"""One process chooses frames, others work on them: what travels is a reference of some bytes, not pixels."""

from __future__ import annotations

import multiprocessing
import sys

import framering


def brightness(handle: framering.FrameHandle) -> tuple[int, float]:
    """In a worker: the very frame that the chooser holds, read in place."""
    with handle.frame() as frame:
        return frame.sequence, float(frame.to_numpy(channels="GRAY", size=(90, 160), resize="area").mean())


def main(frames: int, workers: int = 3) -> None:
    with (
        multiprocessing.get_context("spawn").Pool(workers) as pool,
        framering.open(max_leases=3) as stream,
    ):
        for _ in range(frames):
            # Held until the answer is there, so that it cannot be overwritten before the worker has it.
            with stream.next(timeout=10) as frame:
                sequence, mean = pool.apply(brightness, (frame.handle(),))
                assert sequence == frame.sequence
                print(f"frame {sequence}: mean {mean:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
