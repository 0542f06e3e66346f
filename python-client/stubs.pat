# What the bindings cannot say for _core.pyi, which this writes:
#   python -m nanobind.stubgen -m framering._core -p python-client/stubs.pat -o python-client/src/framering/_core.pyi

# Python has this method from 3.12 on; type checkers look for it whatever the version.
framering._core.Frame.numpy:
    def __buffer__(self, flags: int, /) -> memoryview: ...

    \from numpy.typing import NDArray
    \from typing import Any
    def numpy(self) -> NDArray[Any]:
        \doc

# `numpy` is the method there.
framering._core.Frame.__array__:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        \doc

# `list` is the method itself there.
framering._core.Connection.list:
    \import builtins
    def list(self) -> builtins.list[framering._types.StreamInfo]:
        \doc

# As above.
framering._core.Connection.monitors:
    def monitors(self) -> builtins.list[framering._types.MonitorInfo]:
        \doc

framering._core.Connection.windows:
    def windows(self) -> builtins.list[framering._types.WindowInfo]:
        \doc

# `numpy` is the method itself there.
framering._core.Frame.__array__:
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        \doc
