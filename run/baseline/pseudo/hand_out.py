"""Step `hand_out`: a folder of images and labels for a person to correct."""

from pathlib import Path
from typing import Any

from mos.engine.record import now
from mos.errors import BadInput
from mos.files import write_text
from run.baseline.pseudo.labels import itksnap_labels, slicer_labels
from run.baseline.pseudo.plan import next_cases, next_checks
from run.baseline.pseudo.state import Work, copy_file, missing

IMAGE, LABEL, SEEN = "_image.nii.gz", "_label.nii.gz", "_prediction.nii.gz"


def hand_out(options: Any, work: Work) -> None:
    """Makes the next batch; one whose making was interrupted is completed first.

    Raises:
        BadInput: nothing left to hand out, a batch that is still out, or its folder exists already.
    """
    batches = work.state["batches"]
    if batches and not batches[-1]["complete"]:
        _fill(work, batches[-1])
        return
    out = work.open_batches()
    if out and not options.another:
        told = "; ".join(
            f"{work.batch_folder(b['number']).name}: {', '.join(missing(b)[:5])}" for b in out
        )
        raise BadInput(
            f"--step hand_out: still out are {told}. Take them back first (--step take_back), or hand out one "
            "more beside it with --another"
        )
    predicted = {case: work.cases[case]["confidence"] for case in work.having("predicted")}
    number = len(batches) + 1
    new = next_cases(predicted, options.batch, options.order, seed=number)
    learned = {
        case: work.cases[case]["learned"]["dice"]
        for case in work.having("corrected")
        if work.cases[case].get("learned", {}).get("round") == work.round
    }
    shown = [c for b in batches if b["round"] == work.round for c in b["check"]]
    check = next_checks(learned, shown, options.recheck)
    if not new:
        left = len(work.having("unpredicted"))
        raise BadInput(
            f"--step hand_out: {left} cases are not predicted yet; --step generate first"
            if left
            else "--step hand_out: every case is corrected or out; there is nothing left to hand out"
        )
    folder = work.batch_folder(number)
    if folder.exists():
        raise BadInput(
            f"{folder}: exists, but {work.folder}/pseudo.json knows nothing of it; move it away"
        )
    batch = {"number": number, "round": work.round, "time": now(), "new": new, "check": check}
    batches.append(batch | {"returned": {}, "complete": False})
    work.save()
    _fill(work, batches[-1])


def _fill(work: Work, batch: dict[str, Any]) -> None:
    """Writes what the batch's folder lacks; a label that is there may be corrected by now, and stays."""
    folder = work.batch_folder(batch["number"])
    for case in batch["new"] + batch["check"]:
        check = case in batch["check"]
        for channel in range(work.cases[case].get("channels", 1)):
            name = f"{case}{IMAGE}" if not channel else f"{case}_image_{channel:04d}.nii.gz"
            _copy(work.path("images", case, channel), folder / name)
        _copy(work.path("accepted" if check else "predicted", case), folder / f"{case}{LABEL}")
        if check:
            _copy(work.path("learned", case), folder / f"{case}{SEEN}")
        else:
            _copy(work.path("confidence", case), folder / f"{case}_confidence.nii.gz")
    names = {int(label): name for label, name in work.state["labels"].items()}
    write_text(folder / "labels_itksnap.txt", itksnap_labels(names))
    write_text(folder / "labels_slicer.ctbl", slicer_labels(names))
    write_text(folder / "README.txt", instructions(work, batch))
    batch["complete"] = True
    work.save()
    said = f" and {len(batch['check'])} earlier ones to check" if batch["check"] else ""
    print(f"{folder}: {len(batch['new'])} cases to correct{said}; README.txt there says how")


def instructions(work: Work, batch: dict[str, Any]) -> str:
    """What the annotator reads: what to do, what each id means, which cases."""
    state, folder = work.state, work.batch_folder(batch["number"])
    fixed = [i for i in state["original_labels"] if i not in state["output_labels"]]
    first = batch["new"][0]
    lines = [
        f"Batch {batch['number']} of {state['name']}: correct the labels of these cases.",
        "",
        *(f"  {case}   confidence {work.cases[case]['confidence']:.3f}" for case in batch["new"]),
    ]
    if batch["check"]:
        lines += [
            "",
            "You corrected these before. <case>_label.nii.gz holds your labels, <case>_prediction.nii.gz what the",
            "network says now. Look where they differ; change your label only where you see a mistake in it.",
            "",
            *(f"  {case}   dice {_mean(work, case)} with your labels" for case in batch["check"]),
        ]
    lines += [
        "",
        "Labels:",
        *(f"  {label}  {name}" for label, name in state["labels"].items()),
        "",
        "ITK-SNAP",
        f"  1. File > Open Main Image: {first}{IMAGE}",
        f"  2. Segmentation > Open Segmentation: {first}{LABEL}",
        "  3. Segmentation > Import Label Descriptions: labels_itksnap.txt (once)",
        "  4. Correct, then Segmentation > Save Segmentation under the same name.",
        "3D Slicer",
        f"  1. Drop {first}{IMAGE} onto the window; then {first}{LABEL}, ticking 'Segmentation' or 'LabelMap'.",
        "     (labels_slicer.ctbl is a colour table with the names.)",
        "  2. Correct in the Segment Editor with the image as source geometry.",
        "  3. Segmentations > Export to files: NIfTI, the image as reference volume, labels by value; put the",
        f"     file back as {first}{LABEL}.",
        "",
        "<case>_confidence.nii.gz shows how sure the network was, 0 to 1: look first where it is dark.",
        "A case that is right as it is: save nothing and tell whoever runs cmd/pseudo-gen (--accept_unchanged).",
    ]
    if fixed:
        names = ", ".join(f"{i} {state['labels'][str(i)]}" for i in fixed)
        lines += [f"Drawn by a person before, and kept whatever you paint over them: {names}."]
    lines += [
        "",
        f"When done: .scripts/baseline/cmd/pseudo-gen --step take_back --pseudo_output {folder.parent}",
    ]
    return "\n".join(lines) + "\n"


def _mean(work: Work, case: str) -> str:
    values = list(work.cases[case]["learned"]["dice"].values())
    return f"{sum(values) / len(values):.3f}" if values else "-"


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        copy_file(source, target)
