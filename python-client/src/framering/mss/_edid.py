"""What a monitor says of itself (VESA E-EDID, base block)."""

from __future__ import annotations

from urllib.parse import urlencode

_HEADER = b"\x00\xff\xff\xff\xff\xff\xff\x00"
_DESCRIPTORS = (72, 90, 108)  # the one before them is a timing
_SERIAL, _NAME = 0xFF, 0xFC


def parse(edid: bytes) -> dict[str, str | int]:
    """tools.parse_edid()."""
    block = edid[:128]
    if len(block) < 128 or sum(block) % 256 != 0 or not block.startswith(_HEADER):
        return {}
    letters = int.from_bytes(block[8:10], "big")
    vendor = "".join(chr(64 + (letters >> shift) % 32) for shift in (10, 5, 0))
    facts: dict[str, str | int] = {"id_legacy": f"{vendor}{int.from_bytes(block[10:12], 'little'):04X}"}
    serial = int.from_bytes(block[12:16], "little")
    if serial:
        facts["serial_number"] = serial
    week, year = block[16], 1990 + block[17]
    if week == 255:
        facts["model_year"] = year
    else:
        facts |= {"manufacture_week": week} if week else {}
        facts["manufacture_year"] = year
    for at in _DESCRIPTORS:
        descriptor = block[at : at + 18]
        if descriptor[:3] == b"\0\0\0" and descriptor[4] == 0 and descriptor[3] in (_SERIAL, _NAME):
            text = descriptor[5:].partition(b"\n")[0].rstrip(b" ").decode("ascii", "replace")
            facts["serial_number" if descriptor[3] == _SERIAL else "display_name"] = text
    return facts


def identify(edid: bytes) -> tuple[str | None, str | None]:
    """The model's name, and an identifier of the device as a URL query; None for what it does not tell."""
    facts = parse(edid)
    if not facts:
        return None, None
    query = {"model": facts["id_legacy"]}
    if "serial_number" in facts:
        query["serial"] = facts["serial_number"]
    if "model_year" in facts:
        query["model_year"] = f"{facts['model_year']:04d}"
    else:
        week = f"W{facts['manufacture_week']:02d}" if "manufacture_week" in facts else ""
        query["mfr_date"] = f"{facts['manufacture_year']:04d}{week}"
    name = facts.get("display_name")
    return None if name is None else str(name), urlencode(query)
