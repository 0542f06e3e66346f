"""Why a frame in GPU memory has to be given back in the order of the stream that reads it.

A kernel that is on a stream has not read yet. This reader's GPU is busy for 50 ms before it gets to each
frame, at a stream of 240 Hz: whoever gives a frame back as soon as the kernel is enqueued reads a later
picture, or parts of two. Needs torch and `frameringd --source test:640x480@240` with `--memory cuda` or
`--memory cuda-ipc`.

    release_in_order.py in-order | too-early
"""

import sys

import framering
import torch

SOURCE = "test:640x480@240"
FRAMES = 40
BUSY_CYCLES = 100_000_000  # some 50 ms


def numbers(pixels: torch.Tensor) -> set[int]:
    """The frame numbers that the source wrote into the rows: one of them, if all are of the same picture."""
    nibbles = (pixels[:, :8, 1] & 15).long() << torch.arange(0, 32, 4, device=pixels.device)
    return set(nibbles.sum(dim=1).tolist())


def main(in_order: bool) -> None:
    reading = torch.cuda.Stream()
    leased: list[set[int]] = []
    read: list[torch.Tensor] = []
    with framering.open(SOURCE) as stream:
        for _ in range(FRAMES):
            frame = stream.next()
            pixels = torch.from_dlpack(frame)
            leased.append(numbers(pixels))
            with torch.cuda.stream(reading):
                torch.cuda._sleep(BUSY_CYCLES)
                if in_order:
                    # Imported where it is read: the tensor gives the frame back in the order of this stream.
                    pixels = torch.from_dlpack(frame)
                read.append(pixels.clone())
            # If not, it does so in the order of the default stream, which has nothing left to do.
            del pixels
            frame.release()
        torch.cuda.synchronize()
    torn = sum(numbers(late) != then for late, then in zip(read, leased, strict=True))
    print(f"{torn} of {FRAMES} frames were not what they had been")


if __name__ == "__main__":
    main({"in-order": True, "too-early": False}[sys.argv[1]])
