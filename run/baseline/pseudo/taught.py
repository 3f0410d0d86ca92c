"""Keeps a run from being scored on patients whom the teachers of its pseudo-labels were trained on."""

import sys
from typing import Any

from mos.data.bundle import Bundle
from mos.errors import BadInput


def check_taught(options: Any, main: Bundle, name: str, aux: Bundle) -> None:
    """Refuses labels that carry what a teacher learned from the very patients that are to be scored.

    A teacher of fold 0 has trained on patients who are tested in fold 1; a network that learns from its
    predictions there has seen their labels at second hand. Corrected cases count as a person's work: for
    them it is a warning.

    Args:
        options: of the run.
        name: of the auxiliary set.

    Raises:
        BadInput: predicted cases that nobody has corrected, by teachers who know scored patients.
    """
    about = aux.manifest.get("pseudo")
    if not isinstance(about, dict) or options.dataset_train_all:
        return
    scored = {c.patient for key in ("valid3d", "test3d") for c in main.cases.get(key, ())}
    known = sorted(scored & set(about.get("teacher_patients") or ()))
    if not known:
        return
    cases = aux.manifest.get("cases", {}).get("train3d", ())
    states = [case["pseudo"]["state"] for case in cases if case.get("pseudo")]
    teachers = ", ".join(sorted({teacher["name"] for teacher in about.get("teachers", ())}))
    told = (
        f"{name}: its labels were predicted by {teachers}, trained on {len(known)} patients that "
        f"{options.train_dataset} is scored on, such as {known[0]}"
    )
    if predicted := states.count("predicted"):
        raise BadInput(
            f"--aux_dataset {told}; {predicted} of its cases nobody has corrected, so they bring the labels of "
            "these patients along. Give the teacher's own SETTING, or make one set for each fold "
            "(cmd/pseudo-gen --setting <fold> --pseudo_output <folder> --output_dataset <name>)"
        )
    print(f"WARNING: {told}; scores may be a little too good", file=sys.stderr)
