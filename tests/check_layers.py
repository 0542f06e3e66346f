"""Enforces which folder may include which: `python tests/check_layers.py [ROOT]`.

    proto          nothing of ours
    client/include itself alone, and none of the libraries that the client is built with
    client/src     the public headers, proto
    client/cli     the public headers, proto, client/src
    client/session proto
    daemon         proto; within it the spine goes one way (SPINE below), and a source or a pool knows its
                   interface and the base, never another source or pool
    python-client  the public headers

One proto header may ask for the operating system. No file is longer than 500 lines. Nothing includes itself
through others. Exits 1 with one line for each offence.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("proto", "daemon", "client", "python-client")
CODE = {".h", ".cpp", ".py", ".pyi", ".fbs", ".pml"}
MAX_LINES = 500
GENERATED = "python-client/src/framering/_core.pyi"  # as long as what it describes

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
ASKS_FOR_SYSTEM = re.compile(
    r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*\b(_WIN32|_WIN64|_MSC_VER|__linux__|__unix__)\b"
)
HIDDEN_LIBRARIES = re.compile(r"^(boost|flatbuffers|spdlog|fmt|xcb|X11)/|_generated\.h$")

# What each file of the daemon's spine may include of the daemon, besides itself and the base.
BASE = {
    "daemon/" + unit
    for unit in (
        "byte_account",
        "config",
        "cursor",
        "descriptor",
        "frame",
        "heartbeat",
        "journal",
        "handed_display",
        "log",
        "metrics",
        "shared_page",
        "source_name",
        "surface",
        "text_pattern",
        "thread_name",
        "wait",
        "wake_pipe",
    )
}
INTERFACES = {"daemon/capture/desktop", "daemon/capture/source", "daemon/memory/pool"}
SPINE: dict[str, set[str]] = {
    **{unit: set() for unit in BASE | INTERFACES},
    "daemon/policy": {"daemon/quota"},
    "daemon/quota": set(),
    "daemon/config": {"daemon/policy", "daemon/quota"},
    "daemon/pacer": set(),
    "daemon/reader": set(),
    "daemon/reader_bells": set(),
    "daemon/ring": {"daemon/reader"},
    "daemon/publisher": {"daemon/reader", "daemon/ring"},
    "daemon/stream": {
        "daemon/memory/pool",
        "daemon/publisher",
        "daemon/reader",
        "daemon/reader_bells",
        "daemon/ring",
    },
    "daemon/desktop_watcher": {"daemon/capture/desktop"},
    "daemon/epoch_loop": {"daemon/pacer", "daemon/publisher", "daemon/reader", "daemon/ring", "daemon/stream"}
    | INTERFACES,
    "daemon/pump": {"daemon/epoch_loop", "daemon/publisher", "daemon/reader", "daemon/ring", "daemon/stream"}
    | INTERFACES,
}
SEES_EVERYTHING = re.compile(r"daemon/(main|platform(_\w+)?)$")


@dataclass(frozen=True)
class Include:
    source: str  # the including file, from the root
    line: int
    text: str  # as it stands there
    target: str | None  # the included file, from the root; None if it is not ours


def unit(path: str) -> str:
    """A header and its sources are one unit: daemon/wait.h and daemon/wait_linux.cpp are daemon/wait."""
    return re.sub(r"(_linux|_windows)?\.\w+$", "", path)


def resolve(root: Path, source: str, text: str) -> str | None:
    if text.startswith("framering/"):
        return "client/include/" + text
    if text.startswith(tuple(folder + "/" for folder in FOLDERS)):
        return text
    beside = (root / source).parent / text
    return beside.relative_to(root).as_posix() if beside.is_file() else None


def code_files(root: Path) -> Iterator[Path]:
    for folder in (*FOLDERS, "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in CODE and path.is_file() and "build" not in path.relative_to(root).parts:
                yield path


def includes(root: Path) -> Iterator[Include]:
    for path in code_files(root):
        source = path.relative_to(root).as_posix()
        if path.suffix not in {".h", ".cpp"} or not source.startswith(FOLDERS):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := INCLUDE.match(line):
                yield Include(source, number, match[2], resolve(root, source, match[2]))


def parts(root: Path) -> set[str]:
    """The sources and pools: daemon/capture/x11_source.h makes the part daemon/capture/x11."""
    found = [*root.glob("daemon/capture/*_source.h"), *root.glob("daemon/memory/*_pool.h")]
    return {re.sub(r"_(source|pool)\.h$", "", path.relative_to(root).as_posix()) for path in found}


def part_of(path: str, known: set[str]) -> str | None:
    return next((part for part in known if path.startswith(part + "_")), None)


def daemon_offence(include: Include, known: set[str]) -> str | None:
    assert include.target
    source, target = unit(include.source), unit(include.target)
    if source == target or SEES_EVERYTHING.match(source):
        return None
    if source in SPINE:
        allowed = SPINE[source] | BASE
        return None if target in allowed else f"{source} may include {', '.join(sorted(allowed - {source}))}"
    folder = target.rpartition("/")[0]
    if source.startswith(("daemon/capture/", "daemon/memory/")):
        if target in BASE:
            return None
        if folder != source.rpartition("/")[0]:
            return "a source or a pool may include its interface and the base"
        if part_of(target, known) not in (None, part_of(source, known)):
            return "sources and pools never include one another"
        return None
    if folder in ("daemon/capture", "daemon/memory") and target not in INTERFACES:
        return "only main and platform_* know the sources and pools"
    return None


def may_include(source: str, target: str) -> bool:
    """Between folders; within the daemon, daemon_offence says more."""
    rules = {
        "proto/": ("proto/",),
        "client/include/": ("client/include/",),
        "client/src/": ("client/include/", "client/src/", "proto/"),
        "client/session/": ("client/session/", "proto/"),
        "client/cli/": ("client/include/", "client/src/", "client/cli/", "proto/"),
        "daemon/": ("daemon/", "proto/"),
        "python-client/": ("python-client/", "client/include/"),
    }
    return any(source.startswith(folder) and target.startswith(allowed) for folder, allowed in rules.items())


def include_offences(root: Path) -> Iterator[str]:
    known = parts(root)
    for include in includes(root):
        where = f'{include.source}:{include.line}: "{include.text}": '
        if ".." in include.text.split("/"):
            yield where + "include by path from the root"
        elif include.target is None:
            if include.source.startswith("client/include/") and HIDDEN_LIBRARIES.search(include.text):
                yield where + "public headers show none of the libraries behind them"
        elif not may_include(include.source, include.target):
            yield where + f"{include.source.split('/')[0]} must not know {include.target.split('/')[0]}"
        elif include.target.startswith("daemon/") and (offence := daemon_offence(include, known)):
            yield where + offence


def cycle_offences(root: Path) -> Iterator[str]:
    graph: dict[str, list[str]] = {}
    for include in includes(root):
        if include.target and include.target.endswith(".h"):
            graph.setdefault(include.source, []).append(include.target)
    done: set[str] = set()

    def visit(path: str, trail: list[str]) -> Iterator[str]:
        if path in trail:
            yield f"{path}: includes itself: {' -> '.join([*trail[trail.index(path) :], path])}"
        elif path not in done:
            for target in graph.get(path, []):
                yield from visit(target, [*trail, path])
            done.add(path)

    for path in sorted(graph):
        yield from visit(path, [])


def system_offences(root: Path) -> Iterator[str]:
    home: str | None = None
    for path in code_files(root):
        source = path.relative_to(root).as_posix()
        if path.suffix not in {".h", ".cpp"}:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not ASKS_FOR_SYSTEM.match(line):
                continue
            if source.startswith("proto/") and path.suffix == ".h" and home in (None, source):
                home = source
            else:
                yield f"{source}:{number}: only one header, in proto, may ask for the operating system"


def length_offences(root: Path) -> Iterator[str]:
    for path in code_files(root):
        lines = len(path.read_text().splitlines())
        if lines > MAX_LINES and path != root / GENERATED:
            yield f"{path.relative_to(root)}: {lines} lines, more than {MAX_LINES}: split it by idea"


def offences(root: Path) -> list[str]:
    rules = (include_offences, cycle_offences, system_offences, length_offences)
    return [offence for rule in rules for offence in rule(root)]


def main() -> int:
    found = offences(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
    print("\n".join(found) or "layers: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
