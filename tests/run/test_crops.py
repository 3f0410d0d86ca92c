"""Training samples of several sets in one batch."""

import pytest
import torch
from tests.run.several_files import put
from tests.run.small_file import options

from mos.engine.device import Machine
from mos.engine.order import Pool
from run.baseline.sets import open_sets
from run.baseline.task import make_task, score_volumes
from run.baseline.labels import Labels

CPU = Machine(torch.device("cpu"), "fp32")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MOS_CACHE", str(tmp_path))


def task_of(*, main=None, aux=None, **changes):
    put("heart", scored=("c", "d"), **main or {})
    put("other", **{"annotated": (2, 3), "people": ("e", "f", "g"), "seed": 1} | (aux or {}))
    asked = options(**{"train_dataset": "heart", "aux_dataset": "other", "batch_size": 4} | changes)
    bundle, opened, labels = open_sets(asked)
    return make_task(asked, bundle, labels, CPU, opened)


def test_samples_of_a_mixed_batch_are_those_of_each_set_in_the_order_asked_for():
    train = task_of(image_enhance_level=3).datasets["train"]
    heart, other = train.parts
    assert (len(heart), len(other), len(train)) == (4, 6, 10)
    batch = train.batch([4, 1, 9, 0], [10, 11, 12, 13])
    assert batch["set"] == ["other", "heart", "other", "heart"]
    assert batch["annotated"] == [(2, 3), (1, 2, 3), (2, 3), (1, 2, 3)]
    for row, (part, index) in enumerate([(other, 0), (heart, 1), (other, 5), (heart, 0)]):
        alone = part.batch([index], [10 + row])
        # Where crops are turned, the block they are cut from depends on the batch, to rounding.
        assert torch.allclose(batch["image"][row], alone["image"][0], atol=1e-4)
        assert (batch["segment"][row] != alone["segment"][0]).sum() <= 2
    assert train.describe(4) == {"case": "other: e_tr slice 1"}


def test_sets_of_other_sizes_and_spacings_join():
    train = task_of(aux={"size": (5, 16, 12), "spacing": (5, 1, 1)}).datasets["train"]
    assert train.batch([0, 4], [1, 2])["image"].shape == (2, 1, 8, 8)
    assert train.parts[1].spacings[0] == (1.0, 1.0)


@pytest.mark.parametrize("crop", [(8, 8), (4, 8, 8)])
def test_an_auxiliary_volume_smaller_than_the_crop_lies_in_the_middle_of_zeros(crop):
    task = task_of(aux={"size": (3, 8, 6)}, dataset_crop_size=crop)
    part = task.datasets["train"].parts[1]
    batch = part.batch([0], [0])
    assert batch["image"].shape == (1, 1, *crop)
    columns = batch["image"].flatten(0, -2).sum(0)
    assert (columns[[0, 7]] == 0).all() and (columns[1:7] > 0).all()
    assert part.boxes[0][-1] == (1, 7)


def test_each_set_is_a_pool_with_its_weight():
    task = task_of(aux_dataset_weight=(0.5,))
    assert list(task.pools) == [Pool(4, 1.0), Pool(6, 0.5)]
    assert list(task_of(aux_dataset_only=True).pools) == [Pool(6)]
    assert list(task_of(main_dataset_only=True).pools) == [Pool(4)]


@pytest.mark.parametrize("way", ["marginal", "mask", "ignore"])
def test_the_log_has_the_loss_of_each_set_as_a_sum_and_a_number(way):
    task = task_of(partial_labels=way)
    train = task.datasets["train"]
    parts = task.loss(task.network.eval(), train.batch([0, 5, 6], [1, 2, 3]))
    assert parts["loss"].requires_grad
    assert parts["loss[heart]"][1] == 1 and parts["loss[other]"][1] == 2
    total = parts["loss[heart]"][0] + parts["loss[other]"][0]
    assert float(total) == pytest.approx(3 * float(parts["loss"].detach()), rel=1e-5)
    lacking = task.loss(task.network, train.batch([0], [1]))
    assert lacking["ce_loss[other]"].tolist() == [0, 0]


def test_one_set_logs_nothing_twice():
    task = task_of(main_dataset_only=True)
    parts = task.loss(task.network.eval(), task.datasets["train"].batch([0], [1]))
    assert set(parts) == {"loss", "dice_loss", "ce_loss"}


def test_labels_the_main_set_does_not_annotate_count_as_background_in_its_validation_loss():
    segment = torch.zeros(4, 8, 8, dtype=torch.uint8)
    chances = torch.zeros(1, 3, 4, 8, 8)
    chances[:, 2] = 1  # an organ that only the auxiliary set draws
    batch = {
        "segment": segment[None],
        "spacing": [(8.0, 2.0, 2.0)],
        "box": [((0, 4), (0, 8), (0, 8))],
    }
    partly = Labels(3, {}, (1, 2), (1,), main=(1,), aux=((2,),))
    assert float(score_volumes(chances, batch, partly)["epoch_losses"]) == pytest.approx(0)
    wholly = Labels(3, {}, (1, 2), (1,), main=(1, 2))
    assert float(score_volumes(chances, batch, wholly)["epoch_losses"]) > 1
