"""Segmenting new images with a stored run: the run's preparation, the scored path, the image's grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mos.engine.device import Machine
from mos.engine.progress import progress
from mos.engine.record import file_hash
from mos.errors import BadInput
from mos.folders import RUN_RECORD, WEIGHTS, epoch_number
from mos.io.prepare import Preparation, prepare, restore_probabilities
from run.baseline.dataset import inside
from run.baseline.infer import predict_probabilities
from run.baseline.model_arguments import ModelArguments
from run.baseline.predict_inputs import Source, find_inputs, read_channels
from run.baseline.predict_outputs import Settings, open_output, write_result
from run.baseline.stored import load_network, machine_for, open_stored, stored_epoch


def predict(options: Any) -> None:
    """Segments every input into `<output>/<name>.nii.gz`; what is done already is kept.

    The first image that cannot be used ends it with one message that names it; those before are kept.

    Args:
        options: `run.baseline.cmd.predict.Options`.

    Raises:
        BadInput: a run, an image or an output folder that cannot be used.
    """
    run, output = Path(options.run), Path(options.output)
    stored = open_stored(run)
    trained, record = stored.options, stored.record
    if not record.get("preparation"):
        raise BadInput(
            f"{run / RUN_RECORD}: does not say how its dataset was prepared, so a new image could not be "
            "prepared the same way. Build the dataset with .scripts/baseline/cmd/build and train on that"
        )
    epoch = stored_epoch(run, options.epoch)
    sources = find_inputs(options.input, record["in_channels"], output)
    machine = machine_for(options, trained, record)
    settings = Settings(
        weights_sha256=file_hash(epoch / WEIGHTS),
        epoch=epoch_number(epoch),
        flips=trained.image_flip_axes if options.flips or trained.valid_flips else "",
        window=tuple(trained.dataset_valid_crop_size),
        overlap=trained.dataset_valid_crop_overlap,
        precision=machine.precision,
        allow_gaps=options.allow_gaps,
    )
    todo = open_output(output, sources, settings, _about(run, record), overwrite=options.overwrite)
    print(
        f"{run.name} epoch {settings.epoch}: {len(sources)} images, {len(sources) - len(todo)} done already"
    )
    if not todo:
        return
    network = load_network(stored, epoch, machine)
    for done, source in enumerate(progress(todo, total=len(todo), title="predict")):
        try:
            image = segment(source, network, trained, record, machine, settings)
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
    network: nn.Module,
    trained: ModelArguments,
    record: Mapping[str, Any],
    machine: Machine,
    settings: Settings,
) -> Any:
    """Segments one image.

    Returns:
        A uint8 `sitk.Image` of the dataset's label ids on the image's own grid.

    Raises:
        BadInput: an unreadable image, one with another number of channels, or one that does not fit
            into memory.
    """
    channels = read_channels(source, record["in_channels"], allow_gaps=settings.allow_gaps)
    prepared = prepare(channels, None, Preparation.from_json(record["preparation"]))
    try:
        image = torch.from_numpy(prepared.image)[None].to(machine.device).float().div_(255.0)
        with torch.no_grad(), machine.autocast():
            chances = predict_probabilities(
                network,
                image,
                dims=trained.dims,
                window=settings.window,
                overlap=settings.overlap,
                labels=record["train_labels"],
                flip_axes=settings.flips,
                partial_labels=trained.partial_labels,
            )[0]
        chances = only_inside(chances, prepared.case["box"]).cpu().numpy()
    except torch.OutOfMemoryError as error:
        size = "x".join(map(str, prepared.image.shape[1:]))
        raise BadInput(
            f"{source}: with {size} voxels too large for the memory of {machine.device}; give --device cpu"
        ) from error
    return restore_probabilities(chances, prepared.case, channels[0])


def only_inside(chances: Tensor, box: Sequence[Sequence[int]]) -> Tensor:
    """Certain background outside the real image: padding is not segmented, as it is not scored."""
    result = torch.zeros_like(chances)
    result[0] = 1
    window = (slice(None), *inside(box))
    result[window] = chances[window]
    return result


def _about(run: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """What a reader of `predict.json` wants to know of the run: above all what the ids mean."""
    return {
        "run": run.resolve().name,
        "setting": run.resolve().parent.name,
        "labels": record.get("labels", {}),
        "predicted_labels": [0, *record["train_labels"]],
        "label_map": record["preparation"].get("label_map", {}),
    }


def _naming(error: BadInput, source: Source) -> str:
    """The message with the image's name in it; what speaks of grids or values does not know it."""
    text = str(error).rstrip(".")
    return text if any(str(file) in text for file in source.files) else f"{source}: {text}"
