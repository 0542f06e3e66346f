"""What a monitor says of itself (VESA E-EDID, base block)."""

from __future__ import annotations

from urllib.parse import urlencode

_HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
_DESCRIPTORS = (54, 72, 90, 108)
_SERIAL, _NAME = 0xFF, 0xFC


def identify(edid: bytes) -> tuple[str | None, str | None]:
    """The model's name, and an identifier of the device as a URL query; None for what it does not tell."""
    block = edid[:128]
    if len(block) < 128 or sum(block) % 256 != 0 or not block.startswith(_HEADER):
        return None, None
    texts = dict(filter(None, (_text(block[at : at + 18]) for at in _DESCRIPTORS)))
    letters = int.from_bytes(block[8:10], "big")
    vendor = "".join(chr(64 + (letters >> shift) % 32) for shift in (10, 5, 0))
    facts = {"model": f"{vendor}{int.from_bytes(block[10:12], 'little'):04X}"}
    serial = int.from_bytes(block[12:16], "little")
    if _SERIAL in texts or serial:
        facts["serial"] = texts.get(_SERIAL, str(serial))
    week, year = block[16], 1990 + block[17]
    if week == 255:
        facts["model_year"] = f"{year:04d}"
    else:
        facts["mfr_date"] = f"{year:04d}W{week:02d}" if week else f"{year:04d}"
    return texts.get(_NAME), urlencode(facts)


def _text(descriptor: bytes) -> tuple[int, str] | None:
    """The kind and the text of a display descriptor; None if it is a timing, or no text."""
    if descriptor[:3] != b"\0\0\0" or descriptor[4] != 0 or descriptor[3] not in (_SERIAL, _NAME):
        return None
    return descriptor[3], descriptor[5:].partition(b"\n")[0].rstrip(b" ").decode("ascii", "replace")
