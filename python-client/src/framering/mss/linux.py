"""Where MSS 10 had the class for X11."""

from __future__ import annotations

import warnings
from typing import Any

from framering.mss.base import BACKENDS
from framering.mss.base import MSS as _MSS

__all__ = ["BACKENDS", "MSS"]


class MSS(_MSS):
    """Deprecated: use ``framering.mss.MSS``."""

    def __init__(self, /, **kwargs: Any) -> None:
        warnings.warn(
            "mss.linux.MSS is deprecated and will be removed in 11.0; use mss.MSS instead",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(**kwargs)
