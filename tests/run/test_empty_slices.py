"""2-D training sees slices without a label, as many as asked for."""

import pytest
import torch
from tests.run.several_files import put
from tests.run.small_file import options

from mos.engine.device import Machine
from run.baseline.sets import open_sets
from run.baseline.task import make_task

CPU = Machine(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))


def train_set(share, *, size=(8, 8, 8), **changes):
    """Two patients, of whose slices two each carry a label."""
    put("heart", scored=("c", "d"), size=size, **changes)
    spacing = None if changes.get("known", True) else (8.0, 2.0, 2.0)
    asked = options(train_dataset="heart", dataset_empty_slices=share, dataset_spacing=spacing)
    bundle, aux, labels = open_sets(asked)
    return make_task(asked, bundle, labels, CPU, aux).datasets["train"]


def cases(train):
    return [train.describe(index)["case"] for index in range(len(train))]


def test_without_them_only_slices_with_a_label_train():
    assert cases(train_set(0)) == [f"{one}_tr slice {index}" for one in "ab" for index in (1, 2)]


@pytest.mark.parametrize("known", [True, False], ids=["with a manifest", "without one"])
def test_one_empty_slice_for_each_labelled_one_spread_over_the_volumes(known):
    train = train_set(1, known=known)
    assert len(train) == 8
    empty = train.batch([4, 5, 6, 7], [0] * 4)
    assert not empty["segment"].any() and empty["image"].any()
    names = cases(train)[4:]
    assert len(set(names)) == 4 and len({name.rsplit(" slice ")[0] for name in names}) == 2


def test_no_more_than_there_are():
    assert len(train_set(100)) == 16


def test_an_empty_slice_is_the_voxels_of_its_place():
    train = train_set(100)
    volume = torch.load(put("heart", scored=("c", "d"), size=(8, 8, 8)), weights_only=True)
    index = cases(train).index("b_tr slice 5")
    image = train.batch([index], [0])["image"][0, 0]
    assert torch.equal((image * 255).round().byte(), volume["train3d"][1, 0, 5])
