"""metric.jsonl of a run: its lines by stage and epoch, as tables, parsed when somebody asks for them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # cmd/sweep checks its file without it
    import numpy as np

Lines = dict[int, dict]
PICKING = ("dice", "mre")  # the first metric of every task; a test holds it to the tables


class RunLog(Mapping[str, Lines]):
    """stage -> epoch -> its last line, so that an epoch done again counts once.

    Values that are not finite are None. `head` says what most summaries ask for, and logs share it only if
    they say the same; `body`, with the lines, is read when somebody asks for them.
    """

    def __init__(self, head: bytes, body: Callable[[], bytes]):
        self.head = head
        self._head = json.loads(head)
        self._read_body = body

    @classmethod
    def of(cls, log: Mapping[str, Lines], bad: tuple[int, ...] = ()) -> "RunLog":
        """`bad`: the numbers of lines that could not be read."""
        # Apart from the rest, since every summary asks for them: the scores that may pick an epoch.
        lines = log.get("valid", {}).items()
        scored = {key: [(epoch, line.get(key)) for epoch, line in lines] for key in PICKING}
        # As two lists, which are read faster than a dictionary.
        valid = {
            key: list(
                zip(*((epoch, score) for epoch, score in of if isinstance(score, int | float)))
            )
            for key, of in scored.items()
        }
        numbers = _number_keys(log)
        table = _packed(log, numbers)
        body = table + json.dumps(log).encode()
        head = {"bad": list(bad), "valid": valid, "table": len(table), "numbers": numbers}
        head["rows"] = [(stage, len(lines)) for stage, lines in log.items()]
        head["digest"] = hashlib.blake2b(body, digest_size=16).hexdigest()
        return cls(json.dumps(head).encode(), lambda: body)

    @property
    def body(self) -> bytes:
        """The table of numbers, then the lines."""
        return self._read_body()

    @cached_property
    def digest(self) -> str:
        """Equal for logs that say the same, and no others; cheaper to compare than their lines."""
        return hashlib.blake2b(self.head, digest_size=16).hexdigest()

    @property
    def bad(self) -> list[int]:
        return self._head["bad"]

    def validated(self, key: str) -> dict[int, float]:
        """The validation score `key`, one of PICKING, by epoch, where there is a number."""
        return dict(zip(*self._head["valid"][key]))

    @property
    def numbers(self) -> list[str]:
        """What is a number in some line, in the order of the lines; stage and epoch left out."""
        return self._head["numbers"]

    @property
    def rows(self) -> list[tuple[str, int]]:
        """The stages of the rows of `table` and how many rows each has."""
        return [(stage, count) for stage, count in self._head["rows"]]

    @property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """A column per row, n, of one stage and epoch: epochs (n,), and `numbers` (k, n), nan where none."""
        import numpy as np

        n = sum(count for _, count in self.rows)
        whole = self.body[: self._head["table"]]
        epochs = np.frombuffer(whole, np.int64, n)
        values = np.frombuffer(whole[8 * n :], np.float64) if self.numbers else np.empty(0)
        return epochs, values.reshape(len(self.numbers), n)

    @cached_property
    def _log(self) -> dict[str, Lines]:
        body = json.loads(self.body[self._head["table"] :])
        return {
            stage: {int(epoch): line for epoch, line in lines.items()}
            for stage, lines in body.items()
        }

    def __getitem__(self, stage: str) -> Lines:
        return self._log[stage]

    def __iter__(self) -> Iterator[str]:
        return iter(stage for stage, _ in self._head["rows"])

    def __len__(self) -> int:
        return len(self._head["rows"])

    def __contains__(self, stage: object) -> bool:
        return stage in list(self)


def read_log(path: Path) -> RunLog:
    """Reads metric.jsonl; raises OSError where it cannot be opened."""
    lines = path.read_bytes().split(b"\n")
    log: dict[str, Lines] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            epoch, stage = int(entry["epoch"]), str(entry["stage"])
        except (ValueError, TypeError, KeyError):
            # A last line without its newline is one being written, or cut off by a kill.
            if number < len(lines):
                bad.append(number)
            continue
        log.setdefault(stage, {})[epoch] = {key: _finite(value) for key, value in entry.items()}
    return RunLog.of(log, tuple(bad))


def _packed(log: Mapping[str, Lines], keys: Sequence[str]) -> bytes:
    import numpy as np

    lines = [(epoch, line) for of_stage in log.values() for epoch, line in of_stage.items()]
    epochs = np.array([epoch for epoch, _ in lines], np.int64)
    values = [[_number(line.get(key)) for _, line in lines] for key in keys]
    return epochs.tobytes() + np.array(values, np.float64).tobytes()


def _number_keys(log: Mapping[str, Lines]) -> list[str]:
    """What is a number in some line, in the order of the lines."""
    lines = (line for of_stage in log.values() for line in of_stage.values())
    keys = dict.fromkeys(key for line in lines for key, of in line.items() if _is_number(of))
    return [key for key in keys if key not in ("stage", "epoch")]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308


def _number(value: object) -> float:
    """What is no number is nan: nan itself was made None when the line was read."""
    return float(value) if _is_number(value) else math.nan


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
