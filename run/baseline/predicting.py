"""Segmenting new images with stored runs: their preparation, the scored path, the image's grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mos.engine.progress import progress
from mos.errors import BadInput
from mos.io.prepare import Preparation, prepare, restore_probabilities
from run.baseline.dataset import inside
from run.baseline.infer import predict_probabilities
from run.baseline.predict_inputs import Source, find_inputs, read_channels
from run.baseline.predict_members import Member, about, open_members, settings_of
from run.baseline.predict_outputs import open_output, write_result
from run.baseline.stored import load_network


def predict(options: Any) -> None:
    """Segments every input into `<output>/<name>.nii.gz`; what is done already is kept.

    The first image that cannot be used ends it with one message that names it; those before are kept.

    Args:
        options: `run.baseline.cmd.predict.Options`.

    Raises:
        BadInput: a run, an image or an output folder that cannot be used; runs that have no mean.
    """
    output = Path(options.output)
    members = open_members(options)
    sources = find_inputs(options.input, members[0].stored.record["in_channels"], output)
    settings = settings_of(members, allow_gaps=options.allow_gaps)
    todo = open_output(output, sources, settings, about(members), overwrite=options.overwrite)
    who = ", ".join(sorted(one.name for one in members))
    who = f"the mean of {len(members)} runs ({who})" if len(members) > 1 else who
    print(f"{who}: {len(sources)} images, {len(sources) - len(todo)} done already")
    if not todo:
        return
    networks = [load_network(one.stored, one.epoch, one.machine) for one in members]
    for done, source in enumerate(progress(todo, total=len(todo), title="predict")):
        try:
            image = segment(source, members, networks, options.allow_gaps)
        except BadInput as error:
            again = "the same command" + (" without --overwrite" if options.overwrite else "")
            raise BadInput(
                f"{_naming(error, source)}. The {len(sources) - len(todo) + done} images done are kept; "
                f"mend this one or leave it out of --input, and {again} goes on"
            ) from error
        write_result(output, source, settings, image)
    print(f"{len(todo)} images written to {output}")


def segment(
    source: Source,
    members: Sequence[Member],
    networks: Sequence[nn.Module],
    allow_gaps: bool = False,
) -> Any:
    """Segments one image: the label with the largest mean probability over the runs.

    Returns:
        A uint8 `sitk.Image` of the dataset's label ids on the image's own grid.

    Raises:
        BadInput: an unreadable image, one with another number of channels, or one that does not fit
            into memory.
    """
    record = members[0].stored.record
    channels = read_channels(source, record["in_channels"], allow_gaps=allow_gaps)
    prepared = prepare(channels, None, Preparation.from_json(record["preparation"]))
    try:
        mean = torch.zeros(())
        for member, network in zip(members, networks, strict=True):
            mean = mean + _probabilities(member, network, prepared.image) / len(members)
        chances = only_inside(mean, prepared.case["box"]).cpu().numpy()
    except torch.OutOfMemoryError as error:
        size = "x".join(map(str, prepared.image.shape[1:]))
        raise BadInput(
            f"{source}: with {size} voxels too large for the memory of {members[0].machine.device}; give "
            "--device cpu"
        ) from error
    return restore_probabilities(chances, prepared.case, channels[0])


def _probabilities(member: Member, network: nn.Module, block: np.ndarray) -> Tensor:
    """(label_count, d, h, w) float32 of a prepared block (ch, d, h, w) uint8, by the path that is scored."""
    trained, machine = member.stored.options, member.machine
    image = torch.from_numpy(block)[None].to(machine.device).float().div_(255.0)
    with torch.no_grad(), machine.autocast():
        return predict_probabilities(
            network,
            image,
            dims=trained.dims,
            window=tuple(trained.dataset_valid_crop_size),
            overlap=trained.dataset_valid_crop_overlap,
            labels=member.stored.record["train_labels"],
            flip_axes=member.flips,
            partial_labels=trained.partial_labels,
        )[0]


def only_inside(chances: Tensor, box: Sequence[Sequence[int]]) -> Tensor:
    """Certain background outside the real image: padding is not segmented, as it is not scored."""
    result = torch.zeros_like(chances)
    result[0] = 1
    window = (slice(None), *inside(box))
    result[window] = chances[window]
    return result


def _naming(error: BadInput, source: Source) -> str:
    """The message with the image's name in it; what speaks of grids or values does not know it."""
    text = str(error).rstrip(".")
    return text if any(str(file) in text for file in source.files) else f"{source}: {text}"
