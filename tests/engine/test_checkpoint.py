"""Epochs are stored whole or not at all, found again, linked and thinned out."""

import errno
import os

import pytest
import torch
from torch import nn

from mos.engine import checkpoint
from mos.errors import BadInput
from mos.folders import STATE, WEIGHTS, epoch_folder, metric_file


class Shared(nn.Module):
    """A layer under two names, as tied weights and skip modules have them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.again = self.first
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.again(self.first(x)))


def line(**values):
    return {"epoch": 1, "optimizer": {"state": {}}} | values


def save(run, epoch, network=None):
    checkpoint.save_epoch(run, epoch, network or nn.Linear(2, 2), line(), {"loss": torch.ones(3)})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_epoch_comes_back_as_it_was_saved(tmp_path):
    torch.manual_seed(0)
    network = Shared().train()
    network(torch.randn(8, 3))
    checkpoint.save_epoch(tmp_path, 3, network, line(note="x"), {"epoch_losses": torch.arange(3.0)})
    other = Shared()
    checkpoint.load_weights(other, epoch_folder(tmp_path, 3))
    for (name, was), now in zip(network.state_dict().items(), other.state_dict().values()):
        assert torch.equal(was, now), name
    assert checkpoint.load_state(epoch_folder(tmp_path, 3)) == line(note="x")
    table = checkpoint.load_table(metric_file(epoch_folder(tmp_path, 3), "train"))
    assert table["epoch_losses"].tolist() == [0, 1, 2]
    assert names(tmp_path) == ["epoch-0003", "latest"]
    assert os.readlink(tmp_path / "latest") == "epoch-0003"


def test_a_tensor_with_two_names_is_stored_once(tmp_path):
    from safetensors import safe_open

    save(tmp_path, 1, Shared())
    with safe_open(epoch_folder(tmp_path, 1) / WEIGHTS, "pt") as file:
        stored = set(file.keys())
    assert {"again.weight", "first.weight"} & stored == {"first.weight"}


def test_a_network_in_channels_last_comes_back_with_its_values(tmp_path):
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    save(tmp_path, 1, network)
    other = nn.Conv2d(3, 4, 3)
    checkpoint.load_weights(other, epoch_folder(tmp_path, 1))
    assert torch.equal(network.weight, other.weight)


def test_only_latest_best_and_every_tenth_epoch_keep_weights(tmp_path):
    for epoch in range(1, 24):
        save(tmp_path, epoch)
    checkpoint.point_best(tmp_path, 7)
    checkpoint.thin_out(tmp_path)
    assert checkpoint.stored_epochs(tmp_path) == [7, 10, 20, 23]
    with_state = [n for n in range(1, 24) if (epoch_folder(tmp_path, n) / STATE).exists()]
    assert with_state == [10, 20, 23]
    assert all(metric_file(epoch_folder(tmp_path, n), "train").exists() for n in range(1, 24))
    assert checkpoint.last_epoch(tmp_path) == 23
    assert checkpoint.load_state(epoch_folder(tmp_path, 7)) is None
    checkpoint.thin_out(tmp_path)
    assert checkpoint.stored_epochs(tmp_path) == [7, 10, 20, 23]


def test_the_last_epoch_has_both_weights_and_state(tmp_path):
    assert checkpoint.last_epoch(tmp_path) == 0
    for epoch in (1, 2, 3, 4):
        save(tmp_path, epoch)
    (epoch_folder(tmp_path, 4) / STATE).unlink()
    (epoch_folder(tmp_path, 3) / WEIGHTS).unlink()
    assert checkpoint.last_epoch(tmp_path) == 2


def test_epochs_set_aside_are_moved_and_kept(tmp_path):
    for epoch in range(1, 6):
        save(tmp_path, epoch)
    checkpoint.point_best(tmp_path, 4)
    grave = checkpoint.set_aside(tmp_path, 4)
    assert names(grave) == ["epoch-0004", "epoch-0005"]
    assert (grave / "epoch-0005" / WEIGHTS).exists()
    assert checkpoint.last_epoch(tmp_path) == 3
    for link in (tmp_path / "latest", tmp_path / "best"):
        assert link.exists() or not link.is_symlink(), "a link points into nothing"


def test_setting_everything_aside_leaves_no_dangling_link(tmp_path):
    save(tmp_path, 1)
    grave = checkpoint.set_aside(tmp_path, 1)
    assert names(tmp_path) == [grave.name]


def test_nothing_to_set_aside_makes_no_folder(tmp_path):
    save(tmp_path, 1)
    assert checkpoint.set_aside(tmp_path, 2) is None
    assert names(tmp_path) == ["epoch-0001", "latest"]


@pytest.mark.parametrize(
    "other, example",
    [
        (nn.Linear(2, 3), r"file \(2,\), network \(3,\)"),
        (nn.Sequential(nn.Linear(2, 2)), "network nothing|file nothing"),
        (nn.Linear(2, 2, bias=False), r"'bias' \(file \(2,\), network nothing\)"),
    ],
)
def test_weights_of_a_differently_built_network_are_refused_and_nothing_is_loaded(
    tmp_path, other, example
):
    save(tmp_path, 1)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(BadInput, match=example) as refused:
        checkpoint.load_weights(other, epoch_folder(tmp_path, 1))
    assert "--dir_postfix" in str(refused.value) and WEIGHTS in str(refused.value)
    assert all(torch.equal(before[name], t) for name, t in other.state_dict().items())


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_broken_weights_file_is_refused_by_name(tmp_path, keep):
    save(tmp_path, 1)
    path = epoch_folder(tmp_path, 1) / WEIGHTS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match=f"{WEIGHTS}: not a readable weights file"):
        checkpoint.load_weights(nn.Linear(2, 2), path.parent)


def test_missing_weights_and_a_broken_state_are_refused_by_name(tmp_path):
    save(tmp_path, 1)
    folder = epoch_folder(tmp_path, 1)
    (folder / WEIGHTS).unlink()
    with pytest.raises(BadInput, match="no weights stored for this epoch"):
        checkpoint.load_weights(nn.Linear(2, 2), folder)
    (folder / STATE).write_bytes(b"PK\x03\x04 half a zip")
    with pytest.raises(BadInput, match=f"{STATE}: not a readable training state"):
        checkpoint.load_state(folder)


def _no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def _no_space_in_rust(*_, **__):
    from safetensors import SafetensorError

    raise SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    )


@pytest.mark.parametrize(
    "where, how",
    [
        ("mos.files.os.replace", _no_space),
        ("mos.files.os.fsync", _no_space),
        ("mos.engine.checkpoint.torch.save", _no_space),
        ("mos.engine.checkpoint.save_file", _no_space_in_rust),
    ],
)
def test_a_full_disk_is_said_and_keeps_what_was_written(tmp_path, monkeypatch, where, how):
    save(tmp_path, 1)
    with monkeypatch.context() as full:
        full.setattr(where, how)
        with pytest.raises(BadInput, match="the disk is full"):
            save(tmp_path, 2)
    assert names(tmp_path) == ["epoch-0001", "latest"]
    checkpoint.load_weights(nn.Linear(2, 2), tmp_path / "latest")
    save(tmp_path, 2)
    assert os.readlink(tmp_path / "latest") == "epoch-0002"


def test_what_a_killed_process_left_half_written_is_no_epoch(tmp_path):
    save(tmp_path, 1)
    half = tmp_path / ".epoch-0002.tmp"
    half.mkdir()
    (half / WEIGHTS).write_bytes(b"half")
    assert checkpoint.last_epoch(tmp_path) == 1
    save(tmp_path, 2)
    assert names(tmp_path) == ["epoch-0001", "epoch-0002", "latest"]


def test_setting_aside_twice_within_a_second_loses_nothing(tmp_path):
    for _ in range(2):
        save(tmp_path, 1)
        checkpoint.set_aside(tmp_path, 1)
    assert len(list(tmp_path.glob("redone-*/epoch-0001"))) == 2


def test_a_broken_metric_file_is_refused_by_name(tmp_path):
    (tmp_path / "valid-metrics.pt").write_bytes(b"PK half")
    with pytest.raises(BadInput, match="valid-metrics.pt.*delete it"):
        checkpoint.load_table(tmp_path / "valid-metrics.pt")
