"""What a profile says in numbers: the shares of time, the costliest operators, one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

from mos.engine.stopwatch import OTHER
from mos.timing import PHASES

RECORDING = "recording"
COSTLIEST = 10
TITLES = {
    "data": "waiting for data",
    "augmentation": "augmentation",
    "forward": "forward, with loss",
    "backward": "backward",
    "optimiser": "optimiser",
    "inference": "inference (evaluation)",
    "scoring": "scoring (metrics)",
    "saving": "saving",
    OTHER: "other",
}


def epochs_text(stages: Mapping[int, str]) -> str:
    """What is done with which epochs, in a line; an incomplete schedule says what is missing."""
    if not stages:
        return "nothing to train, so nothing to profile: --increase_epoch 5 trains five more"
    by_stage = {
        stage: [number for number, own in stages.items() if own == stage]
        for stage in ("wait", "time", "record")
    }
    done = {"wait": "left alone", "time": "timed", "record": "recorded"}
    text = ", ".join(
        (
            f"epoch {numbers[0]} is {done[stage]}"
            if len(numbers) == 1
            else f"epochs {_span(numbers)} are {done[stage]}"
        )
        for stage, numbers in by_stage.items()
        if numbers
    )
    if len(stages) < 5:
        text += (
            f" (the whole schedule takes 5 epochs and this start trains {len(stages)}; "
            "--increase_epoch 5 trains five more)"
        )
    return text


def report(found: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers most users want.

    Args:
        found: `epochs` (seconds by phase) and `recordings` (operators by part), as the profiler has them.

    Returns:
        `measured_epochs` and `shares`, by phase seconds and share of the whole, from epochs that were not
        recorded where there are any, else without the `recording_seconds`; `operators`: per part the ten costliest, with calls and milliseconds
        per step and the share of all operators.
    """
    timed = [one for one in found["epochs"] if one["stage"] == "time"] or found["epochs"]
    recording = sum(one["phases"].get(RECORDING, 0.0) for one in timed)
    whole = sum(one["seconds"] for one in timed) - recording
    names = [*PHASES, OTHER]
    seconds = {name: sum(one["phases"].get(name, 0.0) for one in timed) for name in names}
    return {
        "measured_epochs": [one["epoch"] for one in timed],
        "seconds": whole,
        "recording_seconds": recording,
        "shares": {
            name: {"seconds": value, "share": value / whole if whole else 0.0}
            for name, value in seconds.items()
        },
        "operators": {
            part: _costliest([one for one in found["recordings"] if one["part"] == part])
            for part in dict.fromkeys(one["part"] for one in found["recordings"])
        },
    }


def _costliest(recordings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    steps = max(1, sum(one["steps"] for one in recordings))
    calls: dict[str, int] = {}
    ms: dict[str, float] = {}
    for one in (one for recording in recordings for one in recording["operators"]):
        calls[one["name"]] = calls.get(one["name"], 0) + one["calls"]
        ms[one["name"]] = ms.get(one["name"], 0.0) + one["ms"]
    whole = sum(ms.values()) or 1.0
    return [
        {
            "name": name,
            "calls_per_step": calls[name] / steps,
            "ms_per_step": ms[name] / steps,
            "share": ms[name] / whole,
        }
        for name in sorted(ms, key=ms.__getitem__, reverse=True)[:COSTLIEST]
    ]


def report_text(whole: Mapping[str, Any]) -> str:
    """The profile as it is printed and kept in `profile.txt`."""
    machine = whole["machine"]
    epochs = whole["measured_epochs"]
    lines = [
        f"profile  {machine['device']}, {machine['precision']}, {machine['threads']} CPU threads",
        _sentence(whole),
        "",
        f"{'where the time went, epoch ' + _span(epochs):<34}{'seconds':>10}{'share':>9}",
    ]
    for name, one in whole["shares"].items():
        lines.append(f"  {TITLES[name]:<32}{one['seconds']:>10.3f}{one['share']:>9.1%}")
    lines.append(f"  {'in all':<32}{whole['seconds']:>10.3f}{1:>9.1%}")
    if whole["recording_seconds"]:
        lines.append(
            f"  Besides, recording them took {whole['recording_seconds']:.1f} s, and what is recorded is slower: "
            "a start of 2 epochs or more times one that is not"
        )
    if machine["memory_of"] == "GPU":
        lines.append(
            "  The GPU was waited for at the end of each phase: phases that overlap otherwise add up here."
        )
    for part, table in whole["operators"].items():
        what = "a training step" if part == "train" else "saving and of scoring one case"
        head = f"costliest operators of {what}"
        lines += ["", f"{head:<54}{'calls':>8}{'own ms':>10}{'share':>9}"]
        lines += [
            f"  {one['name'][:50]:<52}{one['calls_per_step']:>8.1f}{one['ms_per_step']:>10.3f}{one['share']:>9.1%}"
            for one in table
        ]
    return "\n".join(lines) + "\n"


def _sentence(whole: Mapping[str, Any]) -> str:
    shares = {name: one["share"] for name, one in whole["shares"].items()}
    first = max(shares, key=shares.__getitem__)
    text = f"most of the time went to {TITLES[first]} ({shares[first]:.0%})"
    if first != "data":
        text += f"; waiting for data took {shares['data']:.0%}"
    return text


def _span(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
