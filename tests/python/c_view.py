"""The buffer protocol and DLPack as C sees them."""

from __future__ import annotations

import ctypes
from typing import Any

import framering

PYBUF_SIMPLE, PYBUF_ND = 0, 0x08
READ_ONLY, IS_COPIED = 1, 2


class Buffer(ctypes.Structure):
    _fields_ = (
        ("address", ctypes.c_void_p),
        ("owner", ctypes.py_object),
        ("length", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


class Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )

    def facts(self) -> tuple[object, ...]:
        return (
            self.data,
            tuple(self.device),
            (self.code, self.bits, self.lanes),
            tuple(self.shape[: self.ndim]),
            tuple(self.strides[: self.ndim]),
            self.byte_offset,
        )


class Unversioned(ctypes.Structure):
    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


def request_buffer(frame: framering.Frame, flags: int) -> Buffer:
    """What the frame says to a reader that asks with these flags; the buffer is released at once."""
    buffer = Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(frame), ctypes.byref(buffer), flags)
    told = Buffer.from_buffer_copy(buffer)
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))
    return told


def tensor_in(capsule: Any, kind: type[Any], name: bytes) -> Any:
    """The structure in a capsule of this name; it lives as long as the capsule."""
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype = ctypes.c_void_p
    pointer = get_pointer(ctypes.py_object(capsule), name)
    managed = kind.from_address(pointer)
    managed.capsule = capsule
    return managed


def unversioned_tensor(capsule: Any) -> Unversioned:
    managed: Unversioned = tensor_in(capsule, Unversioned, b"dltensor")
    return managed


def versioned_tensor(capsule: Any) -> Versioned:
    managed: Versioned = tensor_in(capsule, Versioned, b"dltensor_versioned")
    return managed


def take_over(capsule: Any) -> Versioned:
    """As a reader does: from now on the tensor is the caller's to delete."""
    managed: Versioned = Versioned.from_address(ctypes.addressof(versioned_tensor(capsule)))
    ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), b"used_dltensor_versioned")
    return managed


def delete(managed: Versioned) -> None:
    """Calls the tensor's deleter; ctypes gives the GIL up for the call."""
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(managed.deleter)(ctypes.addressof(managed))
