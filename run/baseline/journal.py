"""How far a command that redoes everything has come, so that a killed one goes on."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mos.files import write_json
from mos.folders import checkpoint_root


class Journal:
    """Which files a `force` has redone, so that a killed one goes on instead of beginning anew."""

    def __init__(self, asked: str, runs: Sequence[Path]):
        text = json.dumps([*(str(run.resolve()) for run in runs), asked])
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._path = checkpoint_root() / f".re_eval-force-{name}.json"
        self._done: set[str] = set()
        if self._path.exists():
            self._done = set(json.loads(self._path.read_text(encoding="utf-8")))
            print(f"going on with an interrupted force: {len(self._done)} files are done")

    def __contains__(self, path: Path) -> bool:
        return str(path.resolve()) in self._done

    def add(self, path: Path) -> None:
        self._done.add(str(path.resolve()))
        write_json(self._path, sorted(self._done))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
