"""framering.mss reads a monitor's EDID as the real mss does."""

from __future__ import annotations

import random
from urllib.parse import parse_qsl

import framering.mss
import mss.tools
from framering.mss._edid import identify


def random_edid(dice: random.Random) -> bytes:
    """A base block of random content with names in random descriptors; one in eight is damaged."""
    block = bytearray(dice.randbytes(128))
    block[:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
    block[8:10] = ((dice.randint(1, 26) << 10) | (dice.randint(1, 26) << 5) | dice.randint(1, 26)).to_bytes(
        2, "big"
    )
    if dice.random() < 0.3:
        block[12:16] = bytes(4)
    block[16] = dice.choice([0, 255, dice.randint(1, 53)])
    for at in (72, 90, 108):
        if dice.random() < 0.6:
            text = "".join(dice.choices("ABC xyz0123", k=dice.randint(1, 13)))
            tag = dice.choice([0xFC, 0xFF, 0xFE, 0xFD])
            block[at : at + 18] = bytes((0, 0, 0, tag, 0)) + (text + "\n").encode()[:13].ljust(13)
    block[127] = -sum(block[:127]) % 256
    if dice.random() < 0.125:
        block[dice.randrange(128)] ^= 1
    return bytes(block[: dice.choice([128, 128, 128, 127])])


def test_edids_are_read_alike() -> None:
    dice = random.Random(3)
    named = 0
    for _ in range(400):
        edid = random_edid(dice)
        known = mss.tools.parse_edid(edid)
        assert framering.mss.tools.parse_edid(edid) == known
        name, unique_id = identify(edid)
        assert name == known.get("display_name")
        if not known:
            assert unique_id is None
            continue
        told = dict(parse_qsl(unique_id or "", keep_blank_values=True))
        assert told["model"] == known["id_legacy"]
        assert told.get("serial") == (str(known["serial_number"]) if "serial_number" in known else None)
        year = known.get("manufacture_year")
        week = known.get("manufacture_week")
        made = None if year is None else f"{year:04d}" + ("" if week is None else f"W{week:02d}")
        assert told.get("mfr_date") == made
        assert told.get("model_year") == (f"{known['model_year']:04d}" if "model_year" in known else None)
        named += name is not None
    assert named > 50
