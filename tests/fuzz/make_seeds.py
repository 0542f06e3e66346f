"""Writes the seeds of the fuzz targets from the golden messages: `python tests/fuzz/make_seeds.py`.

To be run again when tests/golden gets a new kind of message. What a fuzzer found lies in the same folders.
"""

from pathlib import Path

HERE = Path(__file__).parent
GOLDEN = max(HERE.parent.glob("golden/protocol_v*"), key=lambda folder: int(folder.name[len("protocol_v") :]))


def golden(name: str) -> bytes:
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    return b"".join(bytes.fromhex(line.split("  ", 1)[1]) for line in lines)


# Steps of fuzz_session.cpp.
GREET, LIST, OPEN, CLOSE, SPEAK_AS_DAEMON, BYTES, HANG_UP, DIE = range(8)
UNREAD = 1 << 4


def step(what: int, *details: int, client: int = 0, fds: int = 0) -> bytes:
    return bytes([what | client << 3 | fds << 5, *details])


def packet(content: bytes, **where: int) -> bytes:
    return step(BYTES, *len(content).to_bytes(2, "little"), **where) + content


def sessions() -> dict[str, bytes]:
    # The golden messages have distinctive fields; these are ones that a session grants.
    hello = golden("hello").replace(b"\x06\x05", b"\x01\x00")
    close = golden("close_request").replace(b"\x54\x53\x52\x51", b"\x01\x00\x00\x00")
    screen, lost, nowhere, cuda, pipe = 0, 1, 2, 2 << 2, 1 << 7
    greet, open_it = step(GREET, 5), step(OPEN, screen, 2)
    streams, desktop, watch = 0, 1, 2
    return {
        "packets": packet(hello)
        + b"".join(packet(golden(name)) for name in ("open_request", "list_request"))
        + packet(close),
        "open-and-close": greet + open_it + step(LIST, streams) + step(CLOSE, 1) + step(CLOSE, 1),
        "open-and-die": greet + open_it + step(OPEN, pipe, 3) + step(DIE),
        "open-and-hang-up": greet + open_it + step(HANG_UP) + greet + open_it,
        "two-clients": greet
        + open_it
        + step(GREET, 6, client=1)
        + step(OPEN, screen, 1, client=1)
        + step(DIE)
        + step(LIST, streams, client=1),
        "watched": greet
        + step(LIST, watch)
        + step(LIST, desktop)
        + step(GREET, 6, client=1)
        + step(OPEN, screen, 1, client=1)
        + step(LIST, watch)
        + step(LIST, streams)
        + step(HANG_UP),
        "desktop-unread": greet + step(LIST | UNREAD, desktop) * 2,
        "refused": greet
        + step(OPEN, lost, 2)
        + step(OPEN, nowhere, 2)
        + step(OPEN, cuda, 2)
        + step(OPEN, 0, 17),
        "too-many-leases": greet + step(OPEN, screen, 16) * 2,
        "too-many-streams": greet + step(OPEN, screen, 1) * 7,
        "not-greeted": open_it + step(LIST, streams, client=1),
        "greeted-twice": greet + greet,
        "another-version": step(GREET, 255) + packet(golden("hello")),
        "unread": greet + step(LIST | UNREAD, streams) + step(OPEN | UNREAD, screen, 2),
        "descriptors": greet + step(LIST, streams, fds=3),
        "no-message": greet + packet(b"no message"),
        "goodbye": greet + packet(b""),
        "answers": greet
        + b"".join(step(SPEAK_AS_DAEMON, kind) for kind in range(4))
        + packet(golden("open_reply")),
    }


def main() -> None:
    for folder, seeds in {
        "message": {path.stem: golden(path.stem) for path in sorted(GOLDEN.glob("*.hex"))},
        "session": sessions(),
    }.items():
        corpus = HERE / "corpus" / folder
        corpus.mkdir(parents=True, exist_ok=True)
        for name, seed in seeds.items():
            (corpus / f"seed-{name}").write_bytes(seed)


if __name__ == "__main__":
    main()
