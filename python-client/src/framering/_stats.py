"""What a daemon counts, from the text that it writes for Prometheus."""

from __future__ import annotations

import re
from typing import Any

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? +(?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def _labels(text: str | None) -> dict[str, str]:
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in _LABEL.findall(text or "")}


def _add_to_histogram(samples: list[dict[str, Any]], part: str, labels: dict[str, str], value: float) -> None:
    bound = labels.pop("le", None)
    histogram = next((one for one in samples if one["labels"] == labels), None)
    if histogram is None:
        histogram = {"labels": labels, "buckets": {}}
        samples.append(histogram)
    if bound is None:
        histogram[part] = value
    else:
        histogram["buckets"][bound] = value


def parse(text: str) -> dict[str, Any]:
    """The metrics by name: their ``type``, ``help`` and ``samples``."""
    families: dict[str, Any] = {}
    name = ""
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            _, kind, name, rest = line.split(" ", 3)
            family = families.setdefault(name, {"type": "", "help": "", "samples": []})
            family[kind.lower()] = rest
            continue
        sample = _SAMPLE.match(line)
        if sample is None:
            raise ValueError(f"not a metric: {line}")
        family, labels, value = families[name], _labels(sample["labels"]), float(sample["value"])
        if family["type"] == "histogram":
            _add_to_histogram(family["samples"], sample["name"][len(name) + 1 :], labels, value)
        else:
            family["samples"].append({"labels": labels, "value": value})
    return families
