"""What a network starts from: the looking order, what is recorded and said, and what is refused."""

import json
import os
import shutil

import pytest
import torch
from tests.run.small_file import options
from torch import nn

from mos.engine import checkpoint
from mos.engine.epochs import EpochPlan
from mos.engine.optimizer import make_optimizer
from mos.engine.start import choose_weights, describe_weights
from mos.errors import BadInput
from mos.folders import STATE, epoch_folder
from mos.options import parse_weights

NEW, GOES_ON = EpochPlan(1, 5), EpochPlan(3, 5)
RECORD = {"label_count": 3, "in_channels": 1, "labels": {"1": "left", "2": "right"}}


def network(channels=1, labels=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Conv2d(4, labels, 1))


@pytest.fixture
def source(tmp_path):
    """A run of one epoch on other labels, to start from."""
    folder = tmp_path / "unet-2d-none[pretrain]"
    made = network(seed=1)
    state = {"optimizer": make_optimizer(made, 0.1, 0.0).state_dict(), "scaler": {}, "line": {}}
    checkpoint.save_epoch(folder, 1, made, state, {})
    labels = {"1": "left", "2": "liver"}
    record = {"name": folder.name, "setting": "heart-0", "labels": labels}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def choose(tmp_path):
    """`choose(network, plan, before, **options)` for the run `mine`; its `weights_from`."""

    def call(net, plan=NEW, before=None, **given):
        asked = options(**given)
        record = RECORD | {"setting": asked.train_dataset}
        return choose_weights(tmp_path / "mine", asked, plan, net, record, before)

    return call


def starts_as(net, other):
    return torch.equal(net[0].weight, other[0].weight)


def test_nothing_named_is_a_fresh_start(choose):
    net = network()
    assert choose(net) is None and starts_as(net, network())
    assert describe_weights({"weights_from": None}, NEW) == []


def test_a_new_run_starts_from_the_weights_named_and_records_all_of_it(choose, source):
    net = network()
    found = json.loads(json.dumps(choose(net, pretrain_model_path=source / "latest")))
    assert starts_as(net, network(seed=1))
    assert found["asked"] == str(source / "latest")
    assert found["path"] == str(source.resolve() / "epoch-0001" / "weights.safetensors")
    assert (found["run"], found["setting"], found["epoch"]) == (source.name, "heart-0", 1)
    assert found["matched"] == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert found["skipped"] == found["reinitialised"] == [] and len(found["sha256"]) == 64
    lines = describe_weights({"weights_from": found}, NEW)
    assert "4 of 4 tensors loaded (100.0% of the parameters), 0 re-initialised" in lines[1]
    assert "label ids meant something else there: 2 liver -> right" in lines[2]


def test_the_runs_own_epochs_win_even_when_the_others_are_gone(choose, source):
    before = choose(network(), pretrain_model_path=source)
    shutil.rmtree(source)
    net = network()
    assert choose(net, GOES_ON, before, pretrain_model_path=source) == before
    assert choose(net, GOES_ON, before) == before, "not repeating the option is no change"
    assert starts_as(net, network())
    (line,) = describe_weights({"weights_from": before}, GOES_ON)
    assert "its own, of epoch 2" in line and str(source) in line


def test_all_epochs_again_reads_the_weights_again(choose, source):
    before = choose(network(), pretrain_model_path=source)
    net = network()
    assert choose(net, NEW, before, pretrain_model_path=source) == before
    assert starts_as(net, network(seed=1))
    shutil.rmtree(source)
    with pytest.raises(BadInput, match="nothing is there"):
        choose(net, NEW, before, pretrain_model_path=source)


def test_other_weights_for_a_run_that_has_epochs_are_refused_and_not_ignored(choose, source):
    with pytest.raises(BadInput, match="began from fresh weights.*--start_epoch 1"):
        choose(network(), GOES_ON, None, pretrain_model_path=source)
    before = choose(network(), pretrain_model_path=source)
    with pytest.raises(BadInput, match="--model_path .*would not be loaded"):
        choose(network(), GOES_ON, before, model_path=source / "latest")


def test_model_path_wins_and_must_fit_exactly(choose, source, tmp_path):
    torch.save(network(seed=2).state_dict(), tmp_path / "lab.pt")
    net = network()
    found = choose(net, model_path=tmp_path / "lab.pt", pretrain_model_path=source)
    assert found["option"] == "model_path" and starts_as(net, network(seed=2))
    with pytest.raises(BadInput, match="--model_path .*does not fit this network exactly"):
        choose(network(labels=4), model_path=source)
    assert choose(network(labels=4), pretrain_model_path=source)["reinitialised"]
    with pytest.raises(BadInput, match="does not fit this network exactly"):
        choose(network(labels=4), pretrain_model_path=source, load_model_strict=True)


def test_a_head_and_a_first_layer_that_start_anew_are_called_so(choose, tmp_path):
    torch.save(network(channels=2, labels=6).state_dict(), tmp_path / "lab.pt")
    found = choose(network(), pretrain_model_path=tmp_path / "lab.pt")
    assert found is not None and found["reinitialised"] == ["0.weight", "1.bias", "1.weight"]
    said = "\n".join(describe_weights({"weights_from": found}, NEW))
    assert "the head starts anew: it told 6 labels apart (background included), here 3" in said
    assert "the first layer starts anew: it took 2 channels, here 1" in said


def test_moments_come_from_beside_the_weights_or_are_refused(choose, source):
    found = choose(network(), pretrain_model_path=source, load_optimizer=True)
    assert found["optimizer"] == str(source.resolve() / "epoch-0001" / STATE)
    (epoch_folder(source, 1) / STATE).unlink()
    with pytest.raises(BadInput, match="--load_optimizer"):
        choose(network(), pretrain_model_path=source, load_optimizer=True)


@pytest.mark.parametrize("name", ["load_optimizer", "load_model_strict"])
def test_how_to_load_without_what_to_load_is_refused(name, choose):
    with pytest.raises(BadInput, match=f"--{name}: there are no weights to load"):
        choose(network(), **{name: True})


def test_a_run_cannot_start_over_from_an_epoch_that_moves_away(choose, source, tmp_path):
    source.rename(tmp_path / "mine")
    with pytest.raises(BadInput, match="lies in the run that would start over"):
        choose(network(), pretrain_model_path=tmp_path / "mine" / "latest")


def test_a_relative_path_is_made_absolute_from_where_the_user_stands(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CHECKPOINT", str(tmp_path / "scratch"))
    (tmp_path / "scratch" / "a").mkdir(parents=True)
    (tmp_path / "here" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert parse_weights("b") == tmp_path / "here" / "b"
    assert parse_weights("../here/b") == tmp_path / "here" / "b"
    # As the README writes it, wherever results are kept and the user stands.
    assert parse_weights(".checkpoint/a") == tmp_path / "scratch" / "a"
    assert parse_weights("a") == tmp_path / "scratch" / "a"
    fold = "baseline-{setting}/fold-{fold}/latest"  # filled in later; the folder before it decides
    assert parse_weights(f".checkpoint/{fold}") == tmp_path / "scratch" / fold
    os.makedirs(".checkpoint/a")
    assert parse_weights(".checkpoint/a") == tmp_path / "here" / ".checkpoint" / "a"
    assert parse_weights("~/x") == tmp_path.__class__.home() / "x"


def test_the_weights_of_each_fold_are_named_once_for_all_folds(choose, source):
    given = source / "{setting}" / "fold-{fold}"
    os.makedirs(source.parent / source.name / "heart-3")
    (source / "heart-3" / "fold-3").symlink_to(source, target_is_directory=True)
    found = choose(network(), train_dataset="heart-3", pretrain_model_path=given / "latest")
    assert found["asked"].endswith("heart-3/fold-3/latest") and found["share"] == 1
