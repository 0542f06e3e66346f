"""The desktop as a torch dataset: each worker of a DataLoader reads the one capture in place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import framering
import torch
from torch.utils.data import DataLoader, IterableDataset

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DesktopDataset(IterableDataset[torch.Tensor]):
    """Frames as (3, height, width) float32, normalized; on the GPU where the frames are."""

    def __init__(self, count: int, size: tuple[int, int] = (224, 224), source: str = "screen") -> None:
        self.count, self.size, self.source = count, size, source

    def __iter__(self) -> Iterator[torch.Tensor]:
        # Streams do not cross processes: each worker opens its own, which costs the daemon nothing a frame.
        with framering.open(self.source) as stream:
            for frame in itertools.islice(stream, self.count):
                yield frame.to_torch(
                    channels="RGB", layout="CHW", dtype=torch.float32, size=self.size, mean=MEAN, std=STD
                )


def main() -> None:
    loader = DataLoader(DesktopDataset(count=8), batch_size=4, num_workers=2, multiprocessing_context="spawn")
    for number, batch in enumerate(loader):
        print(f"batch {number}: {tuple(batch.shape)} {batch.dtype}, mean {batch.mean():.2f}")


if __name__ == "__main__":
    main()
