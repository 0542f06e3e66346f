#!/usr/bin/env python3
"""Adds up what tests/gpu/run left in a folder: writes results.json, prints what failed and the last line.

results.py DIR PART...
results.py --markdown DIR    prints RESULTS.md of what is there
"""

from __future__ import annotations

import datetime
import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any


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


def last_line(counts: dict[str, int]) -> str:
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    return line + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def add_up(folder: Path, parts: list[str]) -> int:
    outcomes: dict[str, str] = {}
    for part in (folder / name for name in parts):
        if not part.is_file():
            outcomes[f"{part.name} was written"] = "failed"
        else:
            outcomes |= figures_of(part) if part.suffix == ".json" else tests_of(part)
    counts = {word: list(outcomes.values()).count(word) for word in ("passed", "failed", "skipped")}
    results = {"date": datetime.date.today().isoformat(), "counts": counts, "outcomes": outcomes}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for name, outcome in outcomes.items():
        if outcome == "failed":
            print(f"FAILED {name}")
    print(last_line(counts))
    return 1 if counts["failed"] else 0


def table_row(*cells: str) -> str:
    return "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in cells) + " |"


def figure_rows(rows: list[dict[str, Any]]) -> list[str]:
    verdicts = {True: "reached", False: "**missed**", None: ""}
    lines = [table_row("what", "measured", "to reach", ""), table_row("---", "---", "---", "---")]
    for row in rows:
        target = "" if row["reached"] is None else row["target"]
        lines.append(table_row(row["what"], row["figure"], target, verdicts[row["reached"]]))
    return lines


def markdown(folder: Path) -> str:
    results = json.loads((folder / "results.json").read_text())
    bench = json.loads((folder / "bench.json").read_text())
    failed = [name for name, outcome in results["outcomes"].items() if outcome == "failed"]
    lines = [
        "# Results on a GPU",
        "",
        f"`tests/gpu/run` on {results['date']}: {last_line(results['counts'])}.",
        "",
        f"Machine: {bench['machine']}.",
        "",
        "## Figures",
        "",
        *figure_rows(bench["rows"]),
    ]
    if failed:
        lines += ["", "## Failed", "", *(f"- {name}" for name in failed)]
    lines += ["", "[README.md](README.md) says what each of them measures."]
    return "\n".join(lines)


def main() -> int:
    first, *others = sys.argv[1:]
    if first == "--markdown":
        print(markdown(Path(others[0])))
        return 0
    return add_up(Path(first), others)


if __name__ == "__main__":
    sys.exit(main())
