"""Reads a stack of pictures, one `.mha` file padded to a common size, picture by picture."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mos.errors import BadInput

_COMPRESSED_TYPES = {
    "MET_UCHAR": np.dtype("u1"),
    "MET_CHAR": np.dtype("i1"),
    "MET_USHORT": np.dtype("u2"),
    "MET_SHORT": np.dtype("i2"),
    "MET_FLOAT": np.dtype("f4"),
}
_HEADER_BYTES, _BLOCK_BYTES = 1 << 16, 1 << 20


@dataclass(frozen=True)
class Stack:
    """What the header of a stack says."""

    path: Path
    count: int  # pictures
    size: tuple[int, int]  # (h, w) they are padded to
    channels: int


def open_stack(path: Path) -> Stack:
    """Reads the header.

    Raises:
        BadInput: missing, unreadable, or no stack of pictures.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    reader = _reader(path)
    shape, channels = reader.GetSize(), reader.GetNumberOfComponents()
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or channels not in (1, 3):
        raise BadInput(
            f"{path}: {len(shape)} dimensions and {channels} channels; needs a stack (n, h, w) of grey "
            "pictures or of colour ones (3 channels)"
        )
    w, h, count = shape
    return Stack(path, int(count), (int(h), int(w)), int(channels))


def read_stack(stack: Stack, numbers: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (number, pixels (ch, h, w)) of some pictures; never holds more than one or two.

    Args:
        numbers: counted from 0, ascending.

    Raises:
        BadInput: the file ends too early or cannot be read.
    """
    header = _local_header(stack.path)
    if header.get("CompressedData") == "True" and header.get("ElementDataFile") == "LOCAL":
        yield from _inflated(stack, header, set(numbers))
        return
    reader = _reader(stack.path)
    flat = len(reader.GetSize()) == 2
    for number in numbers:
        if not flat:
            reader.SetExtractIndex((0, 0, int(number)))
            reader.SetExtractSize((*stack.size[::-1], 0))
        try:
            yield number, _channels_first(_as_array(reader.Execute()))
        except RuntimeError as error:
            raise _broken(stack, number) from error


def _as_array(image) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)


def _channels_first(array: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, ch) as (ch, h, w)."""
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _reader(path: Path):
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise BadInput(
            f"{path}: cannot be read as a stack of pictures; needs MetaImage (.mha) such as the challenge's"
        ) from error
    return reader


def _local_header(path: Path) -> dict[str, str]:
    """The header of a MetaImage file, and under `end` where its data begin; {} for other formats."""
    with open(path, "rb") as file:
        start = file.read(_HEADER_BYTES)
    place = start.find(b"ElementDataFile")
    end = start.find(b"\n", place) + 1
    if place < 0 or not end:
        return {}
    lines = start[:end].decode("latin-1").splitlines()
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs} | {"end": str(end)}


def _inflated(
    stack: Stack, header: dict[str, str], wanted: set[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Pictures of a compressed file in one pass.

    ITK begins anew for each region, which takes hours on a stack of hundreds.
    """
    dtype = _COMPRESSED_TYPES.get(header.get("ElementType", ""))
    if dtype is None:
        raise BadInput(
            f"{stack.path}: compressed pixels of type {header.get('ElementType')}; save it uncompressed, or "
            f"as one of {', '.join(_COMPRESSED_TYPES)}"
        )
    if header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB")) == "True":
        dtype = dtype.newbyteorder(">")
    shape = (*stack.size, stack.channels)
    one = int(np.prod(shape)) * dtype.itemsize
    with open(stack.path, "rb") as file:
        file.seek(int(header["end"]))
        inflate, waiting = zlib.decompressobj(), b""
        for number in range(max(wanted) + 1 if wanted else 0):
            parts, have = [], 0
            while have < one:
                waiting = inflate.unconsumed_tail or file.read(_BLOCK_BYTES)
                try:
                    part = inflate.decompress(waiting, one - have)
                except zlib.error as error:
                    raise _broken(stack, number) from error
                if not part and not waiting:
                    raise _broken(stack, number)
                parts.append(part)
                have += len(part)
            if number in wanted:
                pixels = np.frombuffer(b"".join(parts), dtype).reshape(shape)
                yield number, pixels.transpose(2, 0, 1).astype(dtype.newbyteorder("="))


def _broken(stack: Stack, number: int) -> BadInput:
    return BadInput(
        f"{stack.path}: ends or breaks off in picture {number + 1} of {stack.count}; copy the file again"
    )
