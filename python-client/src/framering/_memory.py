"""Memory for pictures that outlive their frame, used again once nobody looks at it."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections import deque

_PAGES = 1 << 20  # from here on memory of its own is worth keeping
_KEPT = 4

_spare: deque[mmap.mmap] = deque(maxlen=_KEPT)


def allocate(nbytes: int) -> ctypes.Array[ctypes.c_ubyte]:
    """Writable bytes of undefined content; they stay until the last view of them is gone."""
    kind = ctypes.c_ubyte * nbytes
    if nbytes < _PAGES:
        return kind()
    pages = _take(nbytes)
    array = kind.from_buffer(pages)
    # Fresh pages cost as much as the copy into them. Any thread, whoever drops the last view.
    weakref.finalize(array, _spare.append, pages).atexit = False
    return array


def _take(nbytes: int) -> mmap.mmap:
    for _ in range(len(_spare)):
        try:
            pages = _spare.popleft()
        except IndexError:  # another thread was faster
            break
        if len(pages) == nbytes:
            return pages
        _spare.append(pages)
    pages = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
