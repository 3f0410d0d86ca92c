"""The dataset files of a run: opened together, and checked against each other."""

from collections.abc import Mapping
from itertools import combinations

import torch

from mos.data.bundle import Bundle, open_bundle
from mos.data.bundle_cases import image_of
from mos.data.digest import image_digest
from mos.engine.order import deal
from mos.engine.task import Task
from mos.errors import BadInput
from mos.folders import dataset_path
from mos.shapes import format_labels
from run.baseline.labels import Labels, labels_for
from run.baseline.model_arguments import TASK, ModelArguments
from run.baseline.phantom import ensure
from run.baseline.pseudo.taught import check_taught

SCORED = ("valid3d", "test3d")


def ensure_sets(options: ModelArguments) -> None:
    """Makes the built-in sets among those of a run that are not there yet.

    Raises:
        BadInput: a phantom that does not exist, or a file cannot be written.
    """
    for name in (options.train_dataset, *options.aux_names):
        ensure(name)


def open_sets(options: ModelArguments) -> tuple[Bundle, dict[str, Bundle], Labels]:
    """The main set, the auxiliary ones by name, and the labels of all of them.

    Raises:
        BadInput: a file is missing or broken, or two of them do not go together: channels, label ids,
            one set twice, a patient who trains in one and is scored in the other.
    """
    bundle = open_bundle(dataset_path(TASK, options.train_dataset))
    aux = {name: _open_aux(name) for name in options.aux_names}
    for name, one in aux.items():
        if one.channels != bundle.channels:
            raise BadInput(
                f"--aux_dataset {name}: {one.path} has {one.channels} image channels, {bundle.path} has "
                f"{bundle.channels}; one network needs the same in all sets"
            )
    named = [(options.train_dataset, bundle), *aux.items()]
    for (first, one), (second, other) in combinations(named, 2):
        if _same(one, other):
            raise BadInput(
                f"--aux_dataset {options.aux_dataset}: {second} holds the same volumes and labels as {first}; give "
                "it another weight with --aux_dataset_weight or leave it out"
            )
    for name, one in aux.items():
        _check_apart(options, bundle, name, one)
        check_taught(options, bundle, name, one)
    return bundle, aux, labels_for(options, bundle, aux)


def _open_aux(name: str) -> Bundle:
    path = dataset_path(TASK, name)
    if not path.exists():
        raise BadInput(
            f"--aux_dataset {name}: {path} is not there. Make it with .scripts/baseline/cmd/build --kind aux --name "
            f"{name} --images '...' --labels '...' with the main set's --spacing; --label_map gives its labels "
            "the ids they have in the main set"
        )
    return open_bundle(path, "aux")


def _same(one: Bundle, other: Bundle) -> bool:
    if one.path.resolve() == other.path.resolve():
        return True
    a, b = one.tensors["train3d"], other.tensors["train3d"]
    return a.shape == b.shape and len(a) > 0 and torch.equal(a, b)


def _check_apart(options: ModelArguments, bundle: Bundle, name: str, aux: Bundle) -> None:
    """Refuses patients who train in the auxiliary set and are scored in the main set."""
    if options.dataset_train_all:
        return
    training = _people(aux, "train3d", _listed(bundle) and _listed(aux))
    for split in SCORED:
        scored = _people(bundle, split, _listed(bundle) and _listed(aux))
        both = sorted(training[one] for one in training.keys() & scored.keys())
        if both:
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            raise BadInput(
                f"--aux_dataset {name}: patient {both[0]}{more} would train there and is in {split} of {bundle.path}, so "
                "its scores would be learnt by heart. Leave the set out, or build it without these patients; if "
                "they are other people of the same name, tell them apart with cmd/build --patient"
            )


def _listed(bundle: Bundle) -> bool:
    return set(bundle.manifest.get("cases", ())) >= set(bundle.cases)


def _people(bundle: Bundle, split: str, by_name: bool) -> dict[str, str]:
    """Patients by what tells them apart: their names, or their voxels where a file names nobody."""
    cases = bundle.cases[split]
    if by_name:
        return {case.patient: case.patient for case in cases}
    volumes = bundle.tensors[split].numpy()
    return {
        image_digest(image_of(volume, case.box)): case.patient
        for case, volume in zip(cases, volumes, strict=True)
    }


def describe_sets(
    options: ModelArguments, bundle: Bundle, aux: Mapping[str, Bundle], labels: Labels, task: Task
) -> list[str]:
    """What the console says of the data of a run."""
    trained = dict(zip(options.train_names, task.pools, strict=True))
    main = trained.get(options.train_dataset)
    samples = f"training samples {main.count}" if main else "not trained on"
    volumes = ", ".join(
        f"{name.removesuffix('3d')} {len(cases)}" for name, cases in bundle.cases.items()
    )
    lines = [f"data     {bundle.path.name}: volumes {volumes}; {samples}"]
    for (name, one), its in zip(aux.items(), labels.aux, strict=True):
        samples = f"training samples {trained[name].count}" if name in trained else "not trained on"
        volumes = f"volumes {len(one.cases['train3d'])}"
        lines.append(f"aux      {one.path.name}: {volumes}; {samples}; labels {format_labels(its)}")
    if len(trained) > 1:
        dealt = deal(options.batch_size, task.pools)
        shares = ", ".join(f"{count} of {name}" for name, count in zip(trained, dealt))
        lines.append(f"batch    {shares}; what a set does not annotate: {options.partial_labels}")
    shared = {case.patient for case in bundle.cases["train3d"]} if main else set()
    for name, one in aux.items():
        both = shared & {case.patient for case in one.cases["train3d"]}
        if both and name in trained:
            lines.append(f"note     {len(both)} patients train in {name} and in the main set too")
    if options.dataset_train_all:
        lines.append(
            "scores   none: all of the main set trains (--dataset_train_all); best is the latest epoch"
        )
    elif not labels.evaluate:
        lines.append("scores   none: no label of the main set is learnt; best is the latest epoch")
    return lines
