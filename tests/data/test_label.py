"""Label ids out of range are found wherever they are, and named with their case."""

import dataclasses

import pytest
import torch

from mos.data.bundle import open_bundle
from mos.data.label import check_labels, highest_label
from mos.errors import BadInput


@pytest.fixture
def bundle(tmp_path):
    """An auxiliary file with two dark volumes and a slice."""
    volumes = torch.zeros(2, 2, 3, 4, 4, dtype=torch.uint8)
    torch.save({"train2d": volumes[:1, :, 0], "train3d": volumes}, tmp_path / "a.pt")
    return open_bundle(tmp_path / "a.pt", "aux")


def test_a_label_id_out_of_range_names_the_case(bundle):
    bundle.tensors["train3d"][1, 1, 2, 3, 3] = 9
    assert highest_label(bundle) == 9
    name = bundle.cases["train3d"][1].id
    with pytest.raises(BadInput, match=rf"train3d, {name}: label id 9 .* --label_count 10"):
        check_labels(bundle, 3)
    check_labels(bundle, 10)


def test_a_bright_image_is_not_taken_for_a_label(bundle):
    for tensor in bundle.tensors.values():
        tensor[:, 0] = 255
    check_labels(bundle, 3)
    assert highest_label(bundle) == 0


def test_no_volume_has_no_label(bundle):
    empty = {name: tensor[:0] for name, tensor in bundle.tensors.items()}
    assert highest_label(dataclasses.replace(bundle, tensors=empty)) == 0
