"""See, decide, act: each decision is made on a frame that shows what the action before it did."""

from __future__ import annotations

import subprocess
import sys

import framering

COLORS = ["#aa0000", "#00aa00", "#0000aa"]


def act(step: int) -> None:
    """What an agent would do with a mouse: here it paints the desktop."""
    subprocess.run(["xsetroot", "-solid", COLORS[step % len(COLORS)]], check=True)


def decide(frame: framering.Frame) -> int:
    """Looks at the picture; the next action."""
    blue, green, red, _ = memoryview(frame).cast("B")[:4]
    seen = [red, green, blue].index(max(red, green, blue))
    return seen + 1


def main(steps: int) -> None:
    action = 0
    with framering.open() as stream:
        for _ in range(steps):
            act(action)
            # Not older than this moment: an unchanged desktop is confirmed, a changed one captured.
            with stream.wait_until() as frame:
                action = decide(frame)
                print(f"frame {frame.sequence}: next action {action % len(COLORS)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
