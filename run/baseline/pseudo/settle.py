"""Settles what a piece of pseudo-labelling is about: its cases, and the label ids that are predicted."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mos.data.bundle import content_hash
from mos.errors import BadInput
from mos.shapes import format_labels, format_numbers
from run.baseline.pseudo.source import DatasetSource, ImageSource, find_images, open_dataset_source
from run.baseline.pseudo.state import Work
from run.baseline.pseudo.teacher import Teacher

Source = DatasetSource | ImageSource


def open_source(options: Any, work: Work, teacher: Teacher) -> Source:
    """The cases of the work; enters new ones into its state.

    Raises:
        BadInput: the source is another than the work was begun with, or does not fit the teacher.
    """
    state, record = work.state, teacher.stored.record
    about = state["source"]
    if about["kind"] == "dataset":
        source = open_dataset_source(
            about["name"], about["key"], about.get("spacing"), about.get("sha256", "")
        )
        about.setdefault("sha256", content_hash(source.bundle))
        _note_preparation(source, record)
        if not work.cases:
            work.cases.update(source.new_cases())
    else:
        if not record.get("preparation"):
            raise BadInput(
                f"{teacher.stored.folder}/run.json: does not say how its dataset was prepared, so images "
                "could not be prepared the same way; train on a dataset made with cmd/build"
            )
        prepared = about.setdefault("preparation", record["preparation"])
        if prepared != record["preparation"]:
            raise BadInput(
                f"{teacher.name}: its dataset was prepared otherwise than that of the teacher before "
                f"({record['preparation']}, before {prepared}); begin anew with another --pseudo_output"
            )
        about.setdefault("channels", record["in_channels"])
        source = ImageSource(prepared, record["in_channels"], options.allow_gaps)
        if options.input:
            _add_images(work, options)
        if not work.cases:
            raise BadInput("--input is missing: which images are to be predicted?")
    if source.channels != record["in_channels"]:
        raise BadInput(
            f"{about.get('name', 'images')}: has {source.channels} image channels, {teacher.name} was trained "
            f"on {record['in_channels']}"
        )
    return source


def _add_images(work: Work, options: Any) -> None:
    channels = work.state["source"]["channels"]
    found = find_images(options.input, channels, options.patient, work.folder)
    for case, known in found.items():
        before = work.cases.setdefault(case, known)
        if before["files"] != known["files"]:
            raise BadInput(
                f"--input: {case} is {', '.join(known['files'])} now and was {', '.join(before['files'])} "
                "before; rename one, or give another --pseudo_output"
            )


def _note_preparation(source: DatasetSource, record: Mapping[str, Any]) -> None:
    """Says where voxels are not as the teacher knows them."""
    wanted, own = record["spacing"], np.median(source.spacings, axis=0)
    if not np.allclose(wanted, own, rtol=0.02):
        print(
            f"note: the teacher was trained at {format_numbers(wanted)} mm (d,h,w), these cases have "
            f"{format_numbers(own)} mm; it may do worse than its validation dice says"
        )


def settle_labels(options: Any, work: Work, source: Source, teacher: Teacher) -> None:
    """Which ids are predicted and what they are called; fixed once cases were handed out.

    Raises:
        BadInput: an id that the teacher did not learn, none left, a name that differs, or other ids than
            the work was begun with.
    """
    labels, state = teacher.stored.labels, work.state
    annotated = source.annotated()
    outputs = options.pseudo_output_labels or state["output_labels"]
    outputs = tuple(outputs) or tuple(i for i in labels.train if i not in annotated)
    unknown = [label for label in outputs if label not in labels.train]
    if unknown or not outputs:
        found = (
            f"id {unknown[0]} was not learnt by {teacher.name}"
            if unknown
            else f"{teacher.name} learnt nothing that is not annotated already"
        )
        raise BadInput(
            f"--pseudo_output_labels {format_labels(outputs)}: {found}; it learnt "
            f"{format_labels(labels.train)}, annotated are {format_labels(annotated) or 'none'}"
        )
    if work.state["batches"] and list(outputs) != state["output_labels"]:
        raise BadInput(
            f"--pseudo_output_labels {format_labels(outputs)}: this work was begun with "
            f"{format_labels(work.outputs)}, and batches were handed out; begin anew with another --pseudo_output"
        )
    if list(outputs) != state["output_labels"]:
        for known in work.cases.values():
            known.pop("round", None)  # predicted with other ids: again
    names = {0: "background"} | {i: source.label_names.get(i, f"label {i}") for i in annotated}
    for label in outputs:
        own, taught = names.get(label), labels.names.get(label, f"label {label}")
        if own not in (None, taught, f"label {label}"):
            raise BadInput(
                f"label {label} is {own!r} in the source and {taught!r} in {teacher.name}; one id must mean one "
                "organ: build the source with cmd/build --label_map and --label_names as the teacher's"
            )
        names[label] = taught
    state["output_labels"], state["original_labels"] = list(outputs), list(annotated)
    state["labels"] = {str(i): names[i] for i in sorted(names)}
