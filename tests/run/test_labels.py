"""Label lists of a run: what is asked for must be what the file annotates and holds."""

import dataclasses

import pytest
import torch

from mos.errors import BadInput
from run.baseline.labels import labels_for
from tests.run.small_file import bundle, options


def test_without_lists_everything_the_file_annotates_is_learnt_and_scored(tmp_path):
    labels = labels_for(options(), bundle(tmp_path))
    assert (labels.count, labels.train, labels.evaluate) == (3, (1, 2), (1, 2))
    assert labels.names == {0: "background", 1: "left", 2: "right"}


def test_only_what_is_learnt_is_scored_by_default(tmp_path):
    labels = labels_for(options(dataset_train_labels=(2,)), bundle(tmp_path))
    assert (labels.train, labels.evaluate) == ((2,), (2,))


def test_without_a_manifest_the_voxels_say_how_many_labels_there_are(tmp_path):
    labels = labels_for(options(), bundle(tmp_path, known=False))
    assert (labels.count, labels.train) == (3, (1, 2))
    assert labels.names[2] == "label 2"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"dataset_train_labels": (1, 3)}, "--dataset_train_labels: id 3 needs --label_count 4"),
        ({"dataset_eval_labels": (5,)}, "--dataset_eval_labels: id 5 needs --label_count 6"),
        (
            {"dataset_train_labels": (1,), "dataset_eval_labels": (1, 2)},
            r"ids \[2\] are not learnt",
        ),
        ({"label_count": 2}, "train0 slice 1: label id 2 found, but --label_count is 2"),
        (
            {"label_count": 9, "dataset_train_labels": (7,)},
            r"id 7 is not annotated in .*annotated: \[1, 2\]",
        ),
    ],
)
def test_lists_that_do_not_fit_the_file_are_refused(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        labels_for(options(**changes), bundle(tmp_path))


def test_a_file_of_many_gigabytes_is_looked_through_too(tmp_path):
    # One volume repeated without taking memory: 5 GiB by its shape.
    volume = torch.zeros(1, 2, 80, 1024, 1024, dtype=torch.uint8)
    volume[0, 1, 40, 7, 7] = 9
    small = bundle(tmp_path)
    large = dataclasses.replace(
        small,
        tensors={"train3d": volume.expand(32, -1, -1, -1, -1)},
        cases={"train3d": small.cases["train3d"] * 16},
    )
    assert sum(tensor.nbytes for tensor in large.tensors.values()) > 4 << 30
    with pytest.raises(BadInput, match="train0: label id 9 found, but --label_count is 3"):
        labels_for(options(), large)
