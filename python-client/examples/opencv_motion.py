"""Where the desktop moves, by OpenCV: contours of what changed from frame to frame."""

from __future__ import annotations

import sys

import cv2
import framering


def main(frames: int) -> None:
    before = None
    with framering.open() as stream:
        for _ in range(frames):
            with stream.next(timeout=10) as frame:
                gray = frame.to_opencv("GRAY", size=(frame.height // 2, frame.width // 2), resize="area")
            if before is not None:
                _, mask = cv2.threshold(cv2.absdiff(gray, before), 8, 255, cv2.THRESH_BINARY)
                contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
                boxes = [cv2.boundingRect(contour) for contour in contours]
                print(f"frame {frame.sequence}: {len(boxes)} areas {boxes[:3]}")
            before = gray


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
