"""Reads a profiler's trace: which operators took the time.

torch's own `key_averages` answers the same and takes a hundred times as long where stacks are recorded.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")


def read_trace(path: Path) -> list[dict[str, Any]]:
    """The events of a gzipped trace in Chrome's format; times are in microseconds."""
    with gzip.open(path, "rb") as file:
        return json.load(file)["traceEvents"]


def operators(events: Iterable[Mapping[str, Any]], device: str) -> list[dict[str, Any]]:
    """What every operator cost, by name: `calls`, and its own milliseconds (`ms`).

    On a CPU an operator's own time is without the operators it called; on a GPU (`device` is `cuda`) it
    is the time of the kernels and copies it started.
    """
    events = [event for event in events if event.get("ph") == "X"]
    ops = [event for event in events if event.get("cat") == "cpu_op"]
    calls, own = _calls_and_own_times(ops)
    if device == "cuda":
        own = _kernel_times(ops, events)
    return [{"name": name, "calls": calls[name], "ms": own[name] / 1000} for name in calls]


def _calls_and_own_times(
    ops: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, int], dict[str, float]]:
    """Calls, and microseconds without the operators called in turn: those lie within on its thread."""
    calls: dict[str, int] = defaultdict(int)
    own: dict[str, float] = defaultdict(float)
    around: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)  # by thread, outermost first
    for op in sorted(ops, key=lambda op: (op["ts"], -op["dur"])):
        outer = around[op["pid"], op["tid"]]
        while outer and outer[-1]["ts"] + outer[-1]["dur"] <= op["ts"]:
            outer.pop()
        if outer:
            own[outer[-1]["name"]] -= op["dur"]
        # One that only dispatches to another form of itself is one call.
        calls[op["name"]] += not outer or outer[-1]["name"] != op["name"]
        own[op["name"]] += op["dur"]
        outer.append(op)
    return calls, own


def _kernel_times(
    ops: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]
) -> dict[str, float]:
    """Microseconds on the GPU by the name of the operator that asked for them."""
    names = {op.get("args", {}).get("External id"): op["name"] for op in ops}
    own: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") in _ON_GPU:
            name = names.get(event.get("args", {}).get("External id"))
            if name is not None:
                own[name] += event["dur"]
    return own
