#!/usr/bin/env python3
"""Adds up what tests/gpu/run left in a folder: writes results.json, prints what failed and the last line.

results.py DIR PART...
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def outcome_of(case: ElementTree.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return "skipped"
    return "passed"


def tests_of(path: Path) -> dict[str, str]:
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {f"{case.get('classname')}.{case.get('name')}": outcome_of(case) for case in cases}


def figures_of(path: Path) -> dict[str, str]:
    """A figure that is only reported is no test."""
    words = {True: "passed", False: "failed"}
    bench = json.loads(path.read_text())
    rows = {row["what"].strip(): words[row["reached"]] for row in bench["rows"] if row["reached"] is not None}
    return rows | {what: "skipped" for what in bench["skipped"]}


def main() -> int:
    folder = Path(sys.argv[1])
    outcomes: dict[str, str] = {}
    for part in (folder / name for name in sys.argv[2:]):
        if not part.is_file():
            outcomes[f"{part.name} was written"] = "failed"
        else:
            outcomes |= figures_of(part) if part.suffix == ".json" else tests_of(part)
    counts = {word: list(outcomes.values()).count(word) for word in ("passed", "failed", "skipped")}
    (folder / "results.json").write_text(
        json.dumps({"counts": counts, "outcomes": outcomes}, indent=1) + "\n"
    )
    for name, outcome in outcomes.items():
        if outcome == "failed":
            print(f"FAILED {name}")
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    print(line + (f", {counts['skipped']} skipped" if counts["skipped"] else ""))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
