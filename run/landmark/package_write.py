"""Writes a package: the runs' weights, the code that asks them, an example with its answer."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mos.data.phantom_head import make_head
from mos.errors import BadInput
from mos.files import atomic_path, write_json, write_text
from mos.folders import RUN_RECORD, WEIGHTS, project_folder
from mos.networks.landmark_table import LANDMARK_NETWORKS
from run.landmark.package_answer import RECORD, Means, write_answer
from run.landmark.package_code import copied_files, needed_modules, pinned
from run.landmark.package_process import INPUT, OUTPUT
from run.landmark.package_texts import README, dockerfile
from run.landmark.predict_inputs import find_pictures
from run.landmark.predict_members import Member, open_members, run_places
from run.landmark.predicting import find_points

# Of run.json, what answers need; paths, hosts and commands of the training machine stay there.
_KEPT = ("name", "task", "setting", "network", "in_channels", "image_size", "labels", "swap")
_KEPT += ("preparation",)
_PATHS = ("encoder_weights", "pretrain_model_path", "model_path", "note")
EXAMPLE, EXPECTED = "check/stack1.mha", "check/expected.json"
_LARGE = 128  # pixels: from here on the example is drawn finely


def write_package(options: Any) -> None:
    """Writes the folder `--output`, whole or not at all.

    Args:
        options: `run.landmark.cmd.package.Options`.

    Raises:
        BadInput: a folder that holds something; runs or an example that cannot be used.
    """
    output = Path(options.output)
    means = Means(
        flips=options.flips, scales=options.scales, device=options.device, threads=options.threads
    )
    members = open_members(run_places(options.run, options.epoch), means)
    with _new_folder(output) as folder:
        _write_models(folder, members, means)
        _write_code(folder, members)
        if options.example:
            _copy_example(Path(options.example), folder / EXAMPLE)
        else:
            _draw_example(members[0], folder / EXAMPLE)
        pictures = find_pictures([str(folder / EXAMPLE)])
        write_answer(folder / EXPECTED, find_points(pictures, members))
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    print(f"{output}: {len(members)} runs, {size / 1e6:.1f} MB")
    print(f"check it: .scripts/landmark/cmd/package --check '{output}'")


@contextmanager
def _new_folder(output: Path) -> Iterator[Path]:
    """A folder beside `output` that takes its name at the end.

    Raises:
        BadInput: it is there and holds something, or cannot be made.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BadInput(f"--output {output}: is there already; give the name of a new folder")
    temporary = output.resolve().with_name(f".tmp-{os.getpid()}-{output.resolve().name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if output.exists():
            output.rmdir()
        os.replace(temporary, output)
    except OSError as error:
        raise BadInput(f"--output {output}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_models(folder: Path, members: Sequence[Member], means: Means) -> None:
    told = []
    for number, one in enumerate(members, 1):
        place = folder / "model" / str(number)
        record = {key: one.stored.record.get(key) for key in _KEPT}
        trained = one.stored.record["options"].items()
        record["options"] = {key: text for key, text in trained if key not in _PATHS}
        write_json(place / RUN_RECORD, record)
        with atomic_path(place / WEIGHTS) as temporary:
            shutil.copyfile(one.epoch / WEIGHTS, temporary)
        about = {"name": one.name, "weights_sha256": one.weights_sha256}
        told.append({"folder": f"model/{number}", **about})
    record = {"format": 1, "runs": told, "flips": means.flips, "scales": list(means.scales)}
    write_json(folder / RECORD, record | {"points": list(members[0].stored.names)})
    runs = ", ".join(one.name for one in members)
    runs = f"the mean of {runs}" if len(members) > 1 else runs
    count = len(members[0].stored.names)
    write_text(
        folder / "README.md", README.format(points=count, runs=runs, source=INPUT, output=OUTPUT)
    )


def _write_code(folder: Path, members: Sequence[Member]) -> None:
    """The code that `process.py` reaches, and the pins of the packages that this code imports."""
    networks = {LANDMARK_NETWORKS[one.options.model] for one in members}
    builders = [f"mos.networks.{network.builder.partition('.')[0]}" for network in networks]
    modules, imported = needed_modules(["run.landmark.package_process", *builders])
    for file in copied_files(modules):
        target = folder / "code" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project_folder() / file, target)
    shutil.copyfile(modules["run.landmark.package_process"], folder / "process.py")
    write_text(folder / "requirements.txt", "\n".join(pinned(imported)) + "\n")
    write_text(folder / "Dockerfile", dockerfile())


def _copy_example(given: Path, example: Path) -> None:
    """Takes a stack of the user's."""
    if not find_pictures([str(given)]).stack:
        raise BadInput(f"--example {given}: is no stack; give a small .mha such as the challenge's")
    with atomic_path(example) as temporary:
        shutil.copyfile(given, temporary)


def _draw_example(member: Member, example: Path) -> None:
    """Two built-in X-rays of different size, padded with zeros to a common one as the challenge's are."""
    import SimpleITK as sitk

    large = max(member.preparation.size) >= _LARGE
    frame, coarse = ((336, 264), 1.0) if large else ((84, 66), 4.0)
    heads = [make_head(f"example{number}", frame=frame, coarse=coarse) for number in (1, 2)]
    stack = np.repeat(np.stack([head.picture for head in heads])[..., None], 3, -1)
    with atomic_path(example) as temporary:
        sitk.WriteImage(sitk.GetImageFromArray(stack, isVector=True), str(temporary))
