import time

import framering

with framering.open(source="screen", memory="host") as stream:
    for _ in range(10):
        with stream.latest() as frame:
            pixels = frame.numpy()  # (height, width, 4) uint8, bytes B G R X: no copy, read-only
            print(frame.sequence, pixels.shape, pixels.mean())
        time.sleep(0.1)
