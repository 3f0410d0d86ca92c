"""Weights of another training: what a path means, what fits, and what is never done silently."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from mos.engine import checkpoint
from mos.engine.optimizer import make_optimizer
from mos.engine.warm_start import (
    bring_moments,
    find_moments,
    find_weights,
    load_matching,
    match,
    misfits,
    read_weights,
)
from mos.errors import BadInput
from mos.folders import STATE, WEIGHTS, epoch_folder

FLAG = "--pretrain_model_path"


def network(channels=1, labels=3):
    """A first layer, a norm and a head."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Conv2d(4, labels, 1)
    )


def trained(**sizes):
    """A network that has made a step, and its optimiser."""
    torch.manual_seed(1)
    made = network(**sizes)
    optimizer = make_optimizer(made, 0.1, 0.0)
    made(torch.randn(2, made[0].in_channels, 6, 6)).square().mean().backward()
    optimizer.step()
    return made, optimizer


@pytest.fixture
def run(tmp_path):
    """A run with epochs 1 (best) and 2 (latest); the training state of epoch 1 is thinned out."""
    folder = tmp_path / "unet-2d-none[pretrain]"
    for epoch in (1, 2):
        made, optimizer = trained()
        state = {"epoch": epoch, "optimizer": optimizer.state_dict(), "scaler": {}, "line": {}}
        checkpoint.save_epoch(folder, epoch, made, state, {})
    checkpoint.point_best(folder, 1)
    (epoch_folder(folder, 1) / STATE).unlink()
    return folder


def values(made):
    return {name: tensor.clone() for name, tensor in made.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("given", "epoch"),
    [
        ("", 1),
        ("best", 1),
        ("latest", 2),
        ("epoch-0002", 2),
        ("epoch-0001/weights.safetensors", 1),
        ("latest/weights.safetensors", 2),
    ],
    ids=["a run: its best", "best", "latest", "an epoch", "a file", "a file behind a link"],
)
def test_a_path_means_the_weights_file_behind_all_links(given, epoch, run):
    assert find_weights(run / given, FLAG) == epoch_folder(run, epoch).resolve() / WEIGHTS


def test_a_run_without_a_best_gives_its_latest(run):
    (run / "best").unlink()
    assert find_weights(run, FLAG) == epoch_folder(run, 2).resolve() / WEIGHTS


def test_nothing_there_and_an_epoch_without_weights_are_refused_by_name(run):
    (epoch_folder(run, 1) / WEIGHTS).unlink()
    for given, message in (("epoch-0003", "nothing is there"), ("epoch-0001", "every tenth")):
        with pytest.raises(BadInput, match=message) as refused:
            find_weights(run / given, FLAG)
        assert FLAG in str(refused.value) and given in str(refused.value)


def test_all_of_the_same_network_fits(run):
    other, (source, _) = network(), trained()
    found = load_matching(find_weights(run, FLAG), other, flag=FLAG, strict=True)
    assert same(values(source), values(other))
    assert (found.share, found.skipped, found.reinitialised) == (1.0, [], [])
    assert len(found.matched) == len(source.state_dict())


def test_a_head_of_another_label_count_starts_anew_and_the_rest_is_loaded(run):
    torch.manual_seed(2)
    other = network(labels=5)
    before, (source, _) = values(other), trained()
    found = load_matching(find_weights(run, FLAG), other, flag=FLAG, strict=False)
    assert found.skipped == found.reinitialised == ["3.bias", "3.weight"]
    assert found.shapes["3.weight"] == ((3, 4, 1, 1), (5, 4, 1, 1))
    for name, now in other.state_dict().items():
        came = before if name.startswith("3.") else source.state_dict()
        assert torch.equal(now, came[name]), name
    learnt = 36 + 4 + 4 + 4 + 1  # first layer, its bias, norm, slope
    assert found.share == pytest.approx(learnt / (learnt + 5 * 4 + 5))
    (phrase,) = misfits(found.skipped, found.reinitialised, found.shapes)
    assert phrase.startswith("2 of another shape") and "(3, 4, 1, 1) -> (5, 4, 1, 1)" in phrase


def test_a_first_layer_of_other_channels_starts_anew(run):
    found = load_matching(find_weights(run, FLAG), network(channels=2), flag=FLAG, strict=False)
    assert found.skipped == found.reinitialised == ["0.weight"]


def test_strict_refuses_what_would_be_left_out_and_loads_nothing(run):
    other = network(labels=5)
    before = values(other)
    with pytest.raises(BadInput, match=r"does not fit .* exactly: 2 of another shape.*3\.bias"):
        load_matching(find_weights(run, FLAG), other, flag=FLAG, strict=True)
    assert same(before, values(other))


def test_tensors_on_one_side_alone_are_named(tmp_path):
    tensors = network().state_dict()
    tensors["old.head"] = tensors.pop("3.weight")
    found = match(tensors, network())
    assert found.skipped == ["old.head"] and found.reinitialised == ["3.weight"]
    phrases = misfits(found.skipped, found.reinitialised, found.shapes)
    assert phrases == [
        "1 in the file, not in the network: old.head",
        "1 in the network, not in the file: 3.weight",
    ]


def test_a_file_of_which_nothing_learnt_fits_is_refused(tmp_path):
    # A count of batches has the shape () in every network: it is no match.
    wide = nn.Sequential(nn.Conv2d(1, 9, 5), nn.BatchNorm2d(9), nn.PReLU(9), nn.Conv2d(9, 7, 1))
    torch.save(wide.state_dict(), tmp_path / "wide.pt")
    with pytest.raises(BadInput, match="nothing in it fits this network.*--model"):
        load_matching(tmp_path / "wide.pt", network(), flag=FLAG, strict=False)


def test_diverged_weights_are_refused(tmp_path):
    tensors = network().state_dict()
    tensors["0.weight"][0, 0, 0, 0] = float("nan")
    torch.save(tensors, tmp_path / "diverged.pt")
    other = network()
    before = values(other)
    with pytest.raises(BadInput, match=r"0\.weight holds nan"):
        load_matching(tmp_path / "diverged.pt", other, flag=FLAG, strict=False)
    assert same(before, values(other))


class Wrapped(nn.Module):
    """Our networks stand inside a wrapper, which puts a name before all others."""

    def __init__(self):
        super().__init__()
        self.network = network()


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model."])
@pytest.mark.parametrize("key", [None, "state_dict", "model", "network_weights"])
def test_a_file_of_another_program_is_read_under_its_names(prefix, key, tmp_path):
    source, _ = trained()
    tensors = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    content = tensors if key is None else {key: tensors, "epoch": torch.tensor(3), "note": "x"}
    torch.save(content, tmp_path / "lab.pth")
    for other in (network(), Wrapped()):
        found = match(read_weights(tmp_path / "lab.pth"), other)
        assert found.share == 1 and not found.skipped and not found.reinitialised


def test_a_network_whose_own_names_begin_like_a_prefix_keeps_them():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network()

    found = match(Named().state_dict(), Named())
    assert found.share == 1 and not found.skipped


def test_a_layer_under_two_names_counts_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.again = self.first

    found = match(Tied().state_dict(), Tied())
    assert list(found.matched) == ["first.bias", "first.weight"]
    only_second = {n: t for n, t in Tied().state_dict().items() if n.startswith("again")}
    assert match(only_second, Tied()).share == 1


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": network().state_dict(), "hook": Harmful()}, tmp_path / "lab.pth")
    torch.save(network(), tmp_path / "module.pt")
    for name in ("lab.pth", "module.pt"):
        with pytest.raises(BadInput, match=f"{name}: holds Python objects.*torch.save"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\x03\x04 half a zip", pickle.dumps([1, 2], protocol=2)],
    ids=["empty", "text", "half a zip", "a list"],
)
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_a_file_that_holds_no_weights_is_refused_by_name(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name):
        read_weights(tmp_path / name)


def test_a_dictionary_without_tensors_is_refused_with_its_keys(tmp_path):
    torch.save({"epoch": 3, "weights": {"a": torch.ones(1)}}, tmp_path / "x.pt")
    with pytest.raises(BadInput, match="keys: epoch, weights.*'state_dict'"):
        read_weights(tmp_path / "x.pt")


def test_moments_come_along_and_rate_and_decay_stay_the_optimisers_own(run):
    _, source = trained()
    path = find_moments(find_weights(run / "latest", FLAG), network())
    optimizer = make_optimizer(network(), 0.25, 0.5)
    bring_moments(path, optimizer)
    was, now = source.state_dict(), optimizer.state_dict()
    assert was["state"].keys() == now["state"].keys()
    for place, moments in was["state"].items():
        assert all(torch.equal(value, now["state"][place][key]) for key, value in moments.items())
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}


def test_moments_that_were_thinned_out_or_never_there_are_refused(run, tmp_path):
    torch.save(network().state_dict(), tmp_path / "lab.pt")
    for path in (find_weights(run / "best", FLAG), tmp_path / "lab.pt"):
        with pytest.raises(BadInput, match="--load_optimizer: there is no state.pt beside"):
            find_moments(path, network())


def test_moments_of_another_network_are_refused_and_change_nothing(run):
    weights = find_weights(run / "latest", FLAG)
    with pytest.raises(BadInput, match=r"--load_optimizer.*\(3, 4, 1, 1\).*\(5, 4, 1, 1\)"):
        find_moments(weights, network(labels=5))
    deeper = nn.Sequential(network(), nn.Conv2d(3, 3, 1))
    optimizer = make_optimizer(deeper, 0.1, 0.0)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(BadInput, match="moments of 7 tensors, the network learns 9"):
        bring_moments(weights.with_name(STATE), optimizer)
    assert optimizer.state_dict() == before
