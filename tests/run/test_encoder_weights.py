"""`--encoder_weights`: a published file goes into the encoder, whatever wraps the names on either side."""

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from safetensors.torch import save_file

from mos.engine.warm_start import Match, read_weights
from mos.errors import BadInput
from mos.networks import encoder_weights
from mos.networks.encoders import encoder_of, weights_card
from mos.networks.landmark_table import LANDMARK_NETWORKS
from mos.networks.plan import Plan
from mos.networks.table import NETWORKS


def load_encoder(path, network, name):
    fields, notes = encoder_weights.load_encoder(path, network, name, read_weights)
    return Match(**fields), notes


# A plain one, one whose norms have their activation inside, one whose stages timm renames.
ENCODERS = ["test_resnet", "mobilenetv3_small_050", "test_convnext"]


def build(model="timmunet", encoder="test_resnet", in_channels=1):
    torch.manual_seed(0)
    plan = Plan(
        in_channels=in_channels,
        label_count=2,
        crop_size=(32, 32),
        spacing=(1.0, 1.0),
        encoder=encoder,
    )
    return NETWORKS[model].build(plan)


def published(path, encoder="test_resnet", prefix=""):
    """A file as the hub has it, of other weights than a fresh network's; and its tensors."""
    torch.manual_seed(1)
    tensors = timm.create_model(encoder, in_chans=3).state_dict()
    tensors = {prefix + name: tensor.clone() + 0.01 for name, tensor in tensors.items()}
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    return tensors


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_tensor_of_an_encoder_finds_its_place(encoder, tmp_path):
    path = tmp_path / "model.safetensors"
    published(path, encoder)
    network = build(encoder=encoder)
    _, module = encoder_of(network)
    fresh = {name: tensor.clone() for name, tensor in module.named_parameters()}
    found, notes = load_encoder(path, network, encoder)
    assert found.share == 1.0 and not found.reinitialised and not found.shapes
    assert all(not torch.equal(one, fresh[name]) for name, one in module.named_parameters())
    assert "the rest of the network starts anew" in notes[-1]


def test_a_grey_image_is_seen_through_the_sum_of_the_colours(tmp_path):
    tensors = published(tmp_path / "weights.pth", prefix="module.")
    network = build()
    _, notes = load_encoder(tmp_path / "weights.pth", network, "test_resnet")
    name, colour = next((n, t) for n, t in tensors.items() if t.dim() == 4 and t.shape[1] == 3)
    _, module = encoder_of(network)
    grey = next(p for p in module.parameters() if p.dim() == 4)
    assert torch.allclose(grey, colour.sum(1, keepdim=True)), name
    assert "3 image channels are summed to 1" in notes[0]


@pytest.mark.parametrize("model", ["danet", "gcn"])
def test_own_networks_have_their_encoder_where_weights_are_put(model, tmp_path):
    published(tmp_path / "model.safetensors")
    found, _ = load_encoder(tmp_path / "model.safetensors", build(model), "test_resnet")
    assert found.share == 1.0


def test_an_encoder_of_smp_takes_its_file(tmp_path):
    torch.manual_seed(1)
    file = smp.encoders.get_encoder("mit_b0", weights=None).state_dict()
    save_file(file, tmp_path / "model.safetensors")
    network = build("segformer", "mit_b0")
    found, _ = load_encoder(tmp_path / "model.safetensors", network, "mit_b0")
    _, encoder = encoder_of(network)
    assert found.share == 1.0
    assert torch.equal(encoder.state_dict()["norm4.weight"], file["norm4.weight"])
    deep = "block4.1.mlp.fc2.weight"
    assert torch.equal(encoder.state_dict()[deep], file[deep])


@pytest.mark.parametrize("model", ["hrnet", "fpn"])
def test_networks_for_landmarks_have_their_encoder_there_too(model, tmp_path):
    encoder = {"hrnet": "hrnet_w18_small", "fpn": "test_resnet"}[model]
    published(tmp_path / "model.safetensors", encoder)
    plan = Plan(
        in_channels=1, label_count=2, crop_size=(32, 32), spacing=(1.0, 1.0), encoder=encoder
    )
    network = LANDMARK_NETWORKS[model].build(plan, 4)
    assert load_encoder(tmp_path / "model.safetensors", network, encoder)[0].share > 0.99


def test_positions_of_a_vision_transformer_are_stretched_to_the_crop(tmp_path):
    # A ramp along the columns of 14 x 14 tokens, behind a class token that TransUNet has not.
    ramp = torch.arange(14.0).expand(14, 14).reshape(1, 196, 1).expand(-1, -1, 48)
    positions = torch.cat([torch.full((1, 1, 48), 99.0), ramp], 1)
    save_file(
        {"pos_embed": positions, "norm.weight": torch.full((48,), 2.0)}, tmp_path / "m.safetensors"
    )
    plan = Plan(
        in_channels=1,
        label_count=2,
        crop_size=(64, 112),
        spacing=(1.0, 1.0),
        channels=(8, 8, 16, 32, 48),
    )
    network = NETWORKS["transunet"].build(plan)
    found, notes = load_encoder(tmp_path / "m.safetensors", network, "vit_base_r50_s16_224")
    _, encoder = encoder_of(network)
    grid = encoder.body.pos_embed[0, :, 0].view(4, 7)
    assert torch.allclose(grid[:, 1:-1], 0.5 + 2.0 * torch.arange(1, 6), atol=0.05)
    assert not found.shapes and "stretched to 4 x 7 tokens" in notes[0]


def test_every_network_that_takes_an_encoder_names_one_with_published_weights():
    for name, network in NETWORKS.items():
        if "encoder" in network.takes:
            card = weights_card(network.encoder)
            assert card and card.count("/") == 1, name


def test_a_missing_file_says_what_to_download_from_where(tmp_path):
    with pytest.raises(BadInput) as told:
        load_encoder(tmp_path / "gone.safetensors", build(), "resnet34")
    assert "gone.safetensors: there is no such file" in str(told.value)
    assert "model.safetensors from https://huggingface.co/timm/resnet34.a1_in1k" in str(told.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, tmp_path / "other.pth")
    with pytest.raises(BadInput, match="nothing in it fits the encoder test_resnet"):
        load_encoder(tmp_path / "other.pth", build(), "test_resnet")


def test_weights_with_nan_are_refused(tmp_path):
    tensors = published(tmp_path / "model.safetensors")
    name = next(n for n, t in tensors.items() if t.dim() == 4)
    save_file(tensors | {name: tensors[name] * float("nan")}, tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="holds nan or infinity"):
        load_encoder(tmp_path / "model.safetensors", build(), "test_resnet")


def test_an_encoder_nobody_has_is_told_the_nearest_one():
    with pytest.raises(BadInput, match="--encoder resnet43.*did you mean .*resnet"):
        build(encoder="resnet43")
