"""What may be asked of a network: what it heeds; the rest is refused by name, and defaults never are."""

import pytest

from mos.arguments import parse
from mos.errors import BadInput
from mos.networks.table import NETWORKS
from run.baseline.labels import Labels
from run.baseline.model_arguments import ModelArguments
from run.baseline.record import SINCE, identity_of


def options(*words: str) -> ModelArguments:
    return parse(ModelArguments, words, prog="test", description="").options


@pytest.mark.parametrize("model", NETWORKS)
def test_no_default_is_refused(model):
    crop = "16,64,64" if NETWORKS[model].dims == (3,) else "64,64"
    for size in ("1", "16"):
        options("--model", model, "--dataset_crop_size", crop, "--batch_size", size)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("enet", "--model_channels 8,16,32"),
        ("swinunetr", "--model_norm instance"),
        ("mednext", "--model_dropout 0.1"),
        ("unet", "--encoder resnet50"),
        ("unet", "--encoder_weights model.safetensors"),
    ],
)
def test_a_wish_the_network_would_not_heed_is_refused_with_those_that_would(model, words):
    flag, value = words.split()
    with pytest.raises(BadInput) as told:
        options("--model", model, flag, value)
    message = str(told.value)
    assert f"{flag} {value}: {model} " in message and "leave the option out" in message
    kind = {"--encoder_weights": "encoder"}.get(flag, flag.removeprefix("--model_").strip("-"))
    able = message.rpartition("heeds it: ")[2].split(", ")
    assert able == [name for name, network in NETWORKS.items() if kind in network.takes]


def test_a_network_without_a_choice_of_norm_has_its_own_at_every_batch_size():
    for size in ("1", "16"):
        assert options("--model", "nnunet", "--batch_size", size).norm == "instance"
    assert options("--model", "unet", "--batch_size", "1").norm == "instance"
    assert options("--model", "unet", "--batch_size", "16").norm == "batch"


def test_a_network_that_has_no_such_dimension_is_refused():
    with pytest.raises(BadInput, match="--model enet: has no 3-D form"):
        options("--model", "enet", "--dataset_crop_size", "16,64,64")


def test_runs_from_before_encoders_could_be_chosen_go_on():
    """Their record says nothing of one, and names the features that were the default then."""
    labels = Labels(count=2, names={0: "background", 1: "one"}, train=(1,), evaluate=(1,))
    now = identity_of(options("--model_channels", "32,64,128,256"), labels)
    before = {key: value for key, value in now.items() if key != "encoder"}
    assert SINCE | before == now and now["channels"] == [32, 64, 128, 256]
