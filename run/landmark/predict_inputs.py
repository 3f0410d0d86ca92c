"""What `cmd/predict` is asked to look at: a stack, or image files, one picture after the other."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mos.errors import BadInput
from mos.io.dicom import is_dicom_file
from mos.io.picture import SUFFIXES, Exif, picture_size, read_picture
from mos.io.stack import Stack, open_stack, read_stack

STACK_SUFFIXES = (".mha", ".mhd")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures in the order of their numbers, which count from 1."""

    names: tuple[str, ...]  # files below the folder that all share; `image001` of a stack
    stack: Stack | None
    files: tuple[Path, ...]  # (): they are in the stack
    exif: Exif

    def __len__(self) -> int:
        return len(self.names)

    def read(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (what to call it in a message, pixels (ch, h, w)), one at a time.

        Raises:
            BadInput: a picture that cannot be read.
        """
        if self.stack is None:
            for file in self.files:
                yield str(file), read_picture(file, exif=self.exif).pixels
            return
        for number, pixels in read_stack(self.stack, range(self.stack.count)):
            yield f"{self.stack.path} image {number + 1}", pixels


def find_pictures(patterns: Sequence[str], exif: Exif = "refuse") -> Pictures:
    """The pictures that a stack, files, patterns and folders stand for.

    Files of a folder come in the order of their names, folders are searched to their bottom, hidden
    files are passed over. Headers are read, so that a broken file is told of before any work is done.

    Args:
        patterns: paths or globs; `**` goes through folders.
        exif: see `mos.io.picture.read_picture`.

    Raises:
        BadInput: nothing found; a stack and something else; a file that is no picture.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        matches = [path] if path.exists() else map(Path, sorted(glob.glob(pattern, recursive=True)))
        files = [file for match in matches for file in _files_at(match)]
        if not files:
            raise BadInput(f"--input {pattern}: {_nothing(path)}")
        found |= {os.path.abspath(file): file for file in files}
    files = list(found.values())
    stacks = [file for file in files if file.suffix.lower() in STACK_SUFFIXES]
    if stacks and len(files) > 1:
        other = next(file for file in files if file != stacks[0])
        raise BadInput(
            f"--input: {stacks[0]} is a stack of pictures and {other} stands beside it; give one stack alone, or "
            "pictures alone"
        )
    if stacks:
        stack = open_stack(stacks[0])
        names = tuple(f"image{number:03d}" for number in range(1, stack.count + 1))
        return Pictures(names=names, stack=stack, files=(), exif=exif)
    for file in files:
        picture_size(file, exif=exif)
    shared = os.path.commonpath([Path(path).parent for path in found])
    names = tuple(Path(path).relative_to(shared).as_posix() for path in found)
    return Pictures(names=names, stack=None, files=tuple(files), exif=exif)


def _files_at(path: Path) -> list[Path]:
    """A file itself; of a folder all that may be a picture or a stack, by name."""
    if path.is_file():
        return [path]
    return [
        file
        for file in sorted(path.rglob("*"))
        if not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
        and _is_picture(file)
    ]


def _is_picture(file: Path) -> bool:
    suffix = file.suffix.lower()
    return suffix in (*SUFFIXES, *STACK_SUFFIXES) or (not suffix and is_dicom_file(file))


def _nothing(path: Path) -> str:
    if path.is_dir():
        return f"holds no picture ({', '.join(SUFFIXES)}) and no stack (.mha)"
    return "no such file or folder, and nothing matches it"
