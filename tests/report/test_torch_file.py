"""The reader without torch gives what torch gives, and refuses whatever is not a plain metric file."""

import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mos.report.torch_file import Unusual, read_torch_file

DTYPES = "float64 float32 float16 int64 int32 int16 int8 uint8 bool".split()


def saved(path, content):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_reads_as_torch_reads_it(tmp_path, dtype):
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    found = read_torch_file(saved(tmp_path / "a.pt", {"x": tensor}))["x"]
    assert found.dtype == tensor.numpy().dtype
    np.testing.assert_array_equal(found, tensor.numpy())


def test_views_turned_and_cut_tensors_read_as_torch_reads_them(tmp_path):
    whole = torch.arange(24.0).reshape(4, 6)
    content = {"turned": whole.T, "cut": whole[1:3, ::2], "one": whole[2, 3], "none": whole[:0]}
    content |= {"nan": torch.tensor([[float("nan"), float("inf")]]), "whole": whole}
    found = read_torch_file(saved(tmp_path / "a.pt", content))
    for key, tensor in content.items():
        np.testing.assert_array_equal(found[key], tensor.numpy(), err_msg=key)
        assert found[key].shape == tuple(tensor.shape)


def test_texts_numbers_and_lists_stay(tmp_path):
    content = OrderedDict(case=["p,[1]", "ü"], n=3, x=0.1, nothing=None, yes=True, pair=(1, "a"))
    assert read_torch_file(saved(tmp_path / "a.pt", content)) == content


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: torch.save({"x": Evil()}, path),
        lambda path: torch.save({"x": torch.zeros(2, dtype=torch.bfloat16)}, path),
        lambda path: torch.save({"x": torch.zeros(2)}, path, _use_new_zipfile_serialization=False),
        lambda path: path.write_bytes(pickle.dumps({"x": 1})),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 cut off"),
        lambda path: zipfile.ZipFile(path, "w").writestr("a/other", b"x"),
        lambda path: torch.save({"x": torch.zeros(1).expand(1 << 40)}, path),
    ],
    ids="code bfloat16 legacy pickle empty cut no-pickle huge".split(),
)
def test_what_it_does_not_know_is_left_to_torch(tmp_path, write, capsys):
    write(tmp_path / "a.pt")
    with pytest.raises(Unusual):
        read_torch_file(tmp_path / "a.pt")
    assert "executed" not in capsys.readouterr().out


def test_every_torn_or_changed_byte_of_the_tensors_is_noticed(tmp_path):
    path = saved(tmp_path / "a.pt", {"x": torch.arange(64.0, dtype=torch.float64)})
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(Unusual):
            read_torch_file(path)
    place = whole.index(np.arange(64.0).tobytes())
    for offset in range(0, 512, 31):
        changed = bytearray(whole)
        changed[place + offset] ^= 1
        path.write_bytes(changed)
        with pytest.raises(Unusual, match="damaged"):
            read_torch_file(path)
