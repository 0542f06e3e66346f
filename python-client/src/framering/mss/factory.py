"""The factory that MSS had before 10.2."""

from __future__ import annotations

import warnings
from typing import Any

from framering.mss.base import MSS


def mss(**kwargs: Any) -> MSS:
    """Deprecated: use ``MSS``."""
    warnings.warn(
        "mss.mss is deprecated and will be removed in a future release; use mss.MSS instead",
        DeprecationWarning,
        stacklevel=2,
    )
    return MSS(**kwargs)
