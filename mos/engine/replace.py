"""Metric files that are written again: the first one ever replaced stays beside them."""

import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mos.engine.checkpoint import save_table
from mos.files import atomic_path

BACKUP = ".bk"


def backup_path(path: Path) -> Path:
    """`test-metrics.pt.bk`: the file as it was before it was first re-evaluated."""
    return path.with_name(path.name + BACKUP)


def is_replaced(path: Path) -> bool:
    """Whether the file has been re-evaluated: there is an old one, and it is another."""
    old = backup_path(path)
    if not old.exists() or not path.exists():
        return False
    # A process killed between the two steps of `replace_table` left two names of one file.
    return not os.path.samefile(old, path) and not filecmp.cmp(old, path, shallow=False)


def replace_table(path: Path, table: Mapping[str, Any]) -> None:
    """Writes a metric file; the first file ever replaced stays as `<name>.bk`."""
    old = backup_path(path)
    if path.exists() and not old.exists():
        try:
            os.link(path, old)
        except OSError:  # a file system without hard links
            with atomic_path(old) as temporary:
                shutil.copyfile(path, temporary)
    save_table(path, table)
