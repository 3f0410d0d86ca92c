"""Encoders of other families than the default's: those that serve do at any size, the others are refused early."""

import pytest
import torch

from mos.errors import BadInput
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS


def build(model, encoder, in_channels=1):
    plan = Plan(
        in_channels=in_channels,
        label_count=2,
        crop_size=(32, 32),
        spacing=(1.0, 1.0),
        encoder=encoder,
    )
    return NETWORKS[model].build(plan)


@pytest.mark.parametrize(
    ("model", "encoder"),
    [
        ("timmunet", "test_convnext"),  # no map at stride 2
        ("timmunet", "test_efficientnet"),
        ("timmunet", "mit_b0"),  # smp's own
        ("deeplabv3plus", "test_efficientnet"),
        ("danet", "test_resnet"),
    ],
)
def test_an_encoder_of_another_family_serves_at_any_size(model, encoder):
    network = build(model, encoder, in_channels=2).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 2, 33, 47)).shape == (1, 2, 33, 47)


@pytest.mark.parametrize(
    ("model", "encoder", "told"),
    [
        (
            "timmunet",
            "swin_tiny_patch4_window7_224",
            "this network needs an encoder for images of any size",
        ),
        ("timmunet", "test_vit", "this network needs feature maps at strides 2 to 32"),
        ("deeplabv3", "resnett34", "did you mean resnet34"),
        ("pspnet", "vgg11", "this network needs an encoder that can be dilated to stride 8"),
        ("danet", "test_vit", "this network needs 4 feature maps, stride 8"),
        ("fcn", "resnet18", "torchvision has fcn with resnet50 and resnet101"),
    ],
)
def test_an_encoder_that_cannot_serve_is_refused_with_what_is_needed(model, encoder, told):
    with pytest.raises(BadInput) as refused:
        build(model, encoder)
    assert f"--encoder {encoder}" in str(refused.value) and told in str(refused.value)
