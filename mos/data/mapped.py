"""Dataset files larger than the memory, mapped for reading alone.

`torch.load(mmap=True)` maps a file so that its tensors could be written to, in memory of one's own; Linux
refuses that where the file is larger than the memory. A map for reading needs none. Writing to such a tensor ends
the process, so this is for files that cannot be opened otherwise.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


def load_read_only(path: Path) -> Any:
    """What `torch.load(path, weights_only=True)` gives, with read-only tensors of pages of the file."""
    # On the device `meta` nothing is read; each storage knows where its bytes are.
    return _mapped(torch.load(path, weights_only=True, map_location="meta"), path)


def _mapped(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _mapped(entry, path) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(entry, path) for entry in value)
    if not isinstance(value, Tensor):
        return value
    storage = value.untyped_storage()
    if not storage.nbytes():
        return torch.empty(value.shape, dtype=value.dtype)
    place = {"offset": storage._checkpoint_offset, "shape": (storage.nbytes(),)}
    data = np.memmap(path, np.uint8, "r", **place)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        whole = torch.from_numpy(data).view(value.dtype)
    return whole.as_strided(value.shape, value.stride(), value.storage_offset())
