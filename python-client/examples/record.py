"""Records the desktop to a video file with PyAV, with the time at which each frame was captured."""

from __future__ import annotations

import sys
from fractions import Fraction

import av
import framering


def main(path: str, frames: int, fps: int = 30) -> None:
    with (
        framering.open(mode="every", max_fps=fps) as stream,
        av.open(path, "w") as container,
    ):
        # Encoders want even sizes.
        width, height = stream.width // 2 * 2, stream.height // 2 * 2
        video = container.add_stream("mpeg4", rate=fps, options={"qscale": "3"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = Fraction(1, 1000)
        begin, last = None, -1
        for _ in range(frames):
            with stream.next(timeout=10) as frame:
                begin = begin or frame.capture_ns
                picture = av.VideoFrame.from_ndarray(
                    frame.to_opencv(region=(0, 0, width, height)), format="bgr24"
                )
                last = max((frame.capture_ns - begin) // 1_000_000, last + 1)
                picture.pts, picture.time_base = last, video.time_base
            container.mux(video.encode(picture))
        container.mux(video.encode())
    print(f"{path}: {frames} frames, {last / 1000:.1f} s, {stream.missed} missed")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "desktop.mp4", int(sys.argv[2]) if len(sys.argv) > 2 else 150)
