"""python-mss's interface over frameringd: change the import, keep the program.

>>> from framering.mss import MSS
>>> with MSS() as sct:
...     shot = sct.grab(sct.monitors[1])
"""

from __future__ import annotations

from framering.mss import exception, models, screenshot, tools
from framering.mss.base import MSS
from framering.mss.exception import ScreenShotError
from framering.mss.factory import mss
from framering.mss.models import Monitor, Pos, Region, Size
from framering.mss.screenshot import ScreenShot, ScreenShotCPU, ScreenShotCUDA

__all__ = [
    "MSS",
    "Monitor",
    "Pos",
    "Region",
    "ScreenShot",
    "ScreenShotCPU",
    "ScreenShotCUDA",
    "ScreenShotError",
    "Size",
    "exception",
    "models",
    "mss",
    "screenshot",
    "tools",
]

# The release of MSS whose names these are.
__version__ = "11.0.0"
