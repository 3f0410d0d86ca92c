"""Step `generate`: the teacher predicts every case that no person has corrected yet."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mos.engine.progress import progress
from mos.engine.record import file_hash, now
from mos.errors import BadInput
from mos.io.geometry import Grid
from run.baseline.predicting import only_inside
from run.baseline.pseudo.chances import case_confidence, dice_of, keep_labels, mean_probabilities
from run.baseline.pseudo.labels import read_ids
from run.baseline.pseudo.settle import Source, open_source, settle_labels
from run.baseline.pseudo.source import LoadedCase
from run.baseline.pseudo.state import Work, write_image
from run.baseline.pseudo.teacher import Teacher, choose_teachers, taught_patients
from run.baseline.stored import load_network, machine_for
from run.baseline.task import predictor


def generate(options: Any, work: Work) -> None:
    """Predicts what is left to predict; with another teacher than before, a new round begins.

    Corrected cases keep their labels, and cases that are handed out keep those they were handed out
    with. A later round also predicts corrected cases, beside their labels, to show what was learned.

    Args:
        options: `run.baseline.cmd.pseudo_gen.Options`.
        work: new (`pseudo.state.new_state`) or begun.

    Raises:
        BadInput: no teacher, a source that cannot be used, or one that does not fit the teacher.
    """
    teachers = choose_teachers(options)
    source = open_source(options, work, teachers[0])
    settle_labels(options, work, source, teachers[0])
    _begin_round(work, teachers)
    todo = [
        case
        for status in ("unpredicted", "predicted")
        for case in work.having(status)
        if work.cases[case].get("round") != work.round
    ]
    again = _to_check(work) if options.recheck else []
    left = len(work.having("corrected")) + len(work.having("out"))
    told = ", ".join(
        f"{teacher.name} epoch {teacher.epoch} (validation dice {teacher.valid_dice:.4f}"
        + (f", weight {teacher.weight:.3f})" if len(teachers) > 1 else ")")
        for teacher in teachers
    )
    print(f"round {work.round}: {told}")
    print(
        f"{len(work.cases)} cases: {len(todo)} to predict, {left} corrected or handed out stay as they are"
    )
    if not todo + again:
        print("nothing to predict: a new round needs a better teacher")
        return
    machine = machine_for(options, teachers[0].stored.options, teachers[0].stored.record)
    networks = [load_network(t.stored, t.epoch_folder, machine) for t in teachers]
    for case in progress(todo + again, total=len(todo + again), title="predict"):
        _predict_case(work, source, case, teachers, networks, machine)
    unsure = sorted((work.cases[case]["confidence"], case) for case in todo)[:3]
    if unsure:
        print("least confident: " + ", ".join(f"{case} {value:.3f}" for value, case in unsure))
    _say_learned(work, again)


def _begin_round(work: Work, teachers: Sequence[Teacher]) -> None:
    """Enters the teachers; those of the newest round go on with it."""
    entries = [teacher.entry() for teacher in teachers]
    key = lambda entries: [(e["weights_sha256"], e["weight"]) for e in entries]  # noqa: E731
    rounds = work.state["rounds"]
    if not rounds or key(rounds[-1]["teachers"]) != key(entries):
        rounds.append({"number": len(rounds) + 1, "time": now(), "teachers": entries})
        rounds[-1]["patients"] = taught_patients(teachers)
    work.save()


def _predict_case(work: Work, source: Source, case: str, teachers, networks, machine) -> None:
    """Predicts and writes one case; the state says so once all its files are there."""
    known = work.cases[case]
    try:
        loaded = source.load(case, known)
        parts = [
            _probabilities(loaded, teacher, network, machine)
            for teacher, network in zip(teachers, networks)
        ]
    except BadInput as error:
        raise BadInput(
            f"case {case}: {str(error).rstrip('.')}. What was predicted is kept, and the same command goes on "
            "once this case is mended or left out"
        ) from error
    mean = mean_probabilities(parts, [teacher.weight for teacher in teachers])
    mean = keep_labels(mean, work.outputs)
    labels, confidence = loaded.restore(mean)
    drawn = loaded.original > 0
    labels[drawn], confidence[drawn] = loaded.original[drawn], 1
    grid = Grid.of(loaded.images[0])
    if "taken" in known:
        write_image(work.path("learned", case), grid.image(labels))
        known["learned"] = {"round": work.round, "dice": _learned_dice(work, case, labels)}
    else:
        for channel, image in enumerate(loaded.images):
            write_image(work.path("images", case, channel), image)
        # Three decimals say enough, and the file is a third of the size.
        write_image(work.path("confidence", case), grid.image(confidence.round(3)))
        path = work.path("predicted", case)
        write_image(path, grid.image(labels))
        known["confidence"] = round(case_confidence(mean, work.outputs), 4)
        known["predicted_sha256"] = file_hash(path)
        known["channels"] = len(loaded.images)
        known["round"] = work.round
    work.save()


def _probabilities(loaded: LoadedCase, teacher: Teacher, network, machine) -> np.ndarray:
    """Label probabilities (label_count, d, h, w) of the stored block, by the path that is scored."""
    predict = predictor(teacher.stored.options, teacher.stored.labels.train)
    try:
        image = torch.from_numpy(loaded.block.copy())[None].to(machine.device).float().div_(255.0)
        with torch.no_grad(), machine.autocast():
            chances = predict(network, {"image": image})[0]
        return only_inside(chances, loaded.record["box"]).float().cpu().numpy()
    except torch.OutOfMemoryError as error:
        size = "x".join(map(str, loaded.block.shape[1:]))
        raise BadInput(
            f"with {size} voxels too large for the memory of {machine.device}; give --device cpu"
        ) from error


def _to_check(work: Work) -> list[str]:
    """Corrected cases that an older teacher predicted and this one has not seen since."""
    return [
        case
        for case in work.having("corrected")
        if work.cases[case]["round"] < work.round
        and work.cases[case].get("learned", {}).get("round") != work.round
    ]


def _learned_dice(work: Work, case: str, labels: np.ndarray) -> dict[str, float]:
    accepted = read_ids(work.path("accepted", case))
    return dice_of(labels, accepted, work.outputs)


def _say_learned(work: Work, cases: Sequence[str]) -> None:
    pairs = [
        (np.mean(list(known["taken"]["dice"].values())), np.mean(list(dice.values())))
        for case in cases
        if (known := work.cases[case])["taken"]["dice"] and (dice := known["learned"]["dice"])
    ]
    if pairs:
        before, after = np.mean(pairs, axis=0)
        print(
            f"what was learned: on {len(pairs)} corrected cases, dice with the corrected labels {before:.4f} by the "
            f"teacher they were handed out with, {after:.4f} by this one. (A correction begins "
            "with the first one's labels, which favours it; this one may have trained on the corrected ones.)"
        )
