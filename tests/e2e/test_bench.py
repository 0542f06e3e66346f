"""`./dev bench` measures; whether it reaches its targets says a quiet machine, not this test."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
QUICK = ["publish", "hostile", "killed"]


def test_it_prints_a_table_and_writes_what_it_measured(tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    bench = [sys.executable, ROOT / "tests/bench/run.py", "--build", ROOT / "build/release"]
    done = subprocess.run(
        [*bench, "--json", report, "--seconds", "3", "--only", *QUICK],
        capture_output=True,
        text=True,
        timeout=300,
    )
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == len(QUICK)
    for row in rows:
        assert f"{row['what']}  " in done.stdout
        assert row["figure"] in done.stdout
    missed = [row["what"] for row in rows if row["reached"] is False]
    assert done.returncode == (1 if missed else 0), done.stderr
