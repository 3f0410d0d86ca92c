"""Segmenting new images with a stored run: the run's preparation, the scored path, the image's grid."""

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mos.arguments import parse
from mos.engine.checkpoint import load_weights, stored_epochs
from mos.engine.device import Machine, choose_machine
from mos.engine.progress import progress
from mos.engine.record import file_hash, read_record
from mos.errors import BadInput
from mos.files import atomic_path, write_json
from mos.folders import RUN_RECORD, WEIGHTS, epoch_folder, epoch_number
from mos.io.dicom import is_dicom_file
from mos.io.prepare import Preparation, prepare, restore_probabilities
from mos.io.read import SUFFIXES, read_image, stem
from run.baseline.dataset import inside
from run.baseline.infer import predict_probabilities
from run.baseline.model_arguments import ModelArguments
from run.baseline.task import build_network

RECORD_NAME = "predict.json"


def predict(options: Any) -> None:
    """Segments every input into `<output>/<name>.nii.gz`; what is there already is kept.

    Raises:
        BadInput: a run or an image that cannot be used. Images before it are written.
    """
    run, output = Path(options.run), Path(options.output)
    record = read_record(run)
    if not record.get("preparation"):
        raise BadInput(
            f"{run / RUN_RECORD}: does not say how its dataset was prepared, so a new image could not be "
            "prepared the same way. Build the dataset with .scripts/baseline/cmd/build and train on that"
        )
    epoch = _epoch(run, options.epoch)
    sources = find_inputs(options.input)
    todo = _open_output(output, run, epoch, sources, options.overwrite)
    print(
        f"{run.name} epoch {epoch_number(epoch)}: {len(sources)} images, {len(sources) - len(todo)} done already"
    )
    if not todo:
        return
    trained = parse(
        ModelArguments, ["--config", str(run / RUN_RECORD)], prog="run.json", description=""
    ).options
    precision = trained.precision if options.precision == "auto" else options.precision
    machine = choose_machine(options.device, precision, options.threads, trained.deterministic)
    network = load_network(trained, record, epoch, machine)
    for path in progress(todo, total=len(todo), title="predict"):
        image = segment(
            path,
            network,
            trained,
            record,
            machine,
            flips=options.flips,
            allow_gaps=options.allow_gaps,
        )
        _write(image, output / f"{stem(path)}.nii.gz")
    print(f"written to {output}")


def load_network(
    trained: ModelArguments, record: Mapping[str, Any], epoch: Path, machine: Machine
) -> nn.Module:
    """The run's network with the weights of an epoch, ready to predict."""
    network = build_network(
        trained,
        in_channels=record["in_channels"],
        label_count=record["label_count"],
        spacing=record["spacing"],
        channels_last=trained.norm == "batch",
    )
    load_weights(network, epoch)
    return network.to(machine.device).eval()


def segment(
    path: Path,
    network: nn.Module,
    trained: ModelArguments,
    record: Mapping[str, Any],
    machine: Machine,
    *,
    flips: bool = False,
    allow_gaps: bool = False,
) -> Any:
    """Segments one image.

    Returns:
        A uint8 `sitk.Image` of the dataset's label ids on the image's own grid.

    Raises:
        BadInput: an unreadable image, or one with another number of channels.
    """
    channels = _read_channels(path, record["in_channels"], allow_gaps)
    prepared = prepare(channels, None, Preparation.from_json(record["preparation"]))
    image = torch.from_numpy(prepared.image)[None].to(machine.device).float().div_(255.0)
    with torch.no_grad(), machine.autocast():
        chances = predict_probabilities(
            network,
            image,
            dims=trained.dims,
            window=trained.dataset_valid_crop_size,
            overlap=trained.dataset_valid_crop_overlap,
            labels=record["train_labels"],
            flip_axes=trained.image_flip_axes if flips or trained.valid_flips else "",
        )[0]
    return restore_probabilities(
        _only_inside(chances, prepared.case["box"]).cpu().numpy(), prepared.case, channels[0]
    )


def _only_inside(chances: Tensor, box: Sequence[Sequence[int]]) -> Tensor:
    """Certain background outside the real image: padding is not segmented, as it is not scored."""
    result = torch.zeros_like(chances)
    result[0] = 1
    window = (slice(None), *inside(box))
    result[window] = chances[window]
    return result


def find_inputs(patterns: Sequence[str]) -> list[Path]:
    """Image files and DICOM folders, by name, each once.

    Of images given as one file a channel (`name_0000.nii.gz`, `name_0001.nii.gz`, ...) the first
    file stands for all.

    Raises:
        BadInput: nothing found, or two inputs that would be written to one file.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        matches = [path] if path.exists() else [Path(match) for match in sorted(glob.glob(pattern))]
        if not matches:
            raise BadInput(f"--input {pattern}: no such file or folder, and no file matches it")
        for match in matches:
            found |= dict.fromkeys(_images_at(match))
    sources = [path for path in found if not _is_later_channel(path)]
    names: dict[str, Path] = {}
    for path in sources:
        if names.setdefault(stem(path), path) != path:
            raise BadInput(
                f"--input: {names[stem(path)]} and {path} would both be written to {stem(path)}.nii.gz; "
                "predict them into two --output folders"
            )
    return sources


def _images_at(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(
        file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
    )
    images = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    if images:
        return images
    if any(is_dicom_file(file) for file in files):
        return [path]
    inner = [
        image
        for folder in sorted(path.iterdir())
        if folder.is_dir()
        for image in _images_at(folder)
    ]
    if not inner:
        raise BadInput(
            f"--input {path}: holds no image ({', '.join(SUFFIXES)}) and no DICOM series"
        )
    return inner


def _is_later_channel(path: Path) -> bool:
    name, _, number = stem(path).rpartition("_")
    if len(number) != 4 or not number.isdecimal() or number == "0000":
        return False
    return path.with_name(path.name.replace(f"{name}_{number}", f"{name}_0000", 1)).exists()


def _read_channels(path: Path, count: int, allow_gaps: bool) -> list[Any]:
    channels = read_image(path, allow_gaps=allow_gaps)
    if len(channels) == 1 < count and stem(path).endswith("_0000"):
        files = [
            path.with_name(path.name.replace("_0000", f"_{number:04d}")) for number in range(count)
        ]
        channels = [read_image(file, allow_gaps=allow_gaps)[0] for file in files]
    if len(channels) != count:
        raise BadInput(f"{path}: has {len(channels)} channels, the run was trained on {count}")
    return channels


def _epoch(run: Path, wanted: str) -> Path:
    folder = epoch_folder(run, int(wanted)) if wanted.isdecimal() else (run / wanted).resolve()
    if not (folder / WEIGHTS).exists():
        stored = ", ".join(map(str, stored_epochs(run))) or "none"
        raise BadInput(
            f"--epoch {wanted}: {run} stores no weights of it; epochs with weights: {stored}"
        )
    return folder


def _open_output(
    output: Path, run: Path, epoch: Path, sources: Sequence[Path], overwrite: bool
) -> list[Path]:
    """The inputs still to do, after making sure the folder holds this epoch's work and no other's."""
    output.mkdir(parents=True, exist_ok=True)
    own = {"run": run.name, "setting": run.resolve().parent.name, "epoch": epoch_number(epoch)}
    own["weights_sha256"] = file_hash(epoch / WEIGHTS)
    written = [path for path in sources if (output / f"{stem(path)}.nii.gz").exists()]
    clash = [
        path for path in written if (output / f"{stem(path)}.nii.gz").resolve() == path.resolve()
    ]
    if clash:
        raise BadInput(
            f"--output {output}: {clash[0]} would be overwritten by its own segmentation; give another folder"
        )
    before = read_json(output / RECORD_NAME)
    if before != own and not overwrite and (written or before is not None):
        whose = (
            f"{before['setting']}/{before['run']} epoch {before['epoch']}"
            if before
            else "something else"
        )
        raise BadInput(
            f"--output {output}: holds the work of {whose}; give another folder, or --overwrite"
        )
    write_json(output / RECORD_NAME, own)
    return list(sources) if overwrite else [path for path in sources if path not in written]


def read_json(path: Path) -> dict[str, Any] | None:
    """A small JSON file; None where there is none."""
    import json

    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _write(image: Any, path: Path) -> None:
    import SimpleITK as sitk

    with atomic_path(path) as temporary:
        sitk.WriteImage(image, str(temporary))
