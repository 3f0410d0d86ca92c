"""Step `take_back`: corrected label files are checked, compared with the prediction and accepted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mos.engine.record import file_hash, now
from mos.errors import BadInput
from mos.io.read import SUFFIXES, read_grid, stem
from run.baseline.pseudo.chances import dice_of
from run.baseline.pseudo.hand_out import LABEL
from run.baseline.pseudo.labels import read_corrected, read_ids
from run.baseline.pseudo.state import Work, write_image

Original = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Returned:
    """A file that came back."""

    case: str
    path: Path
    batch: dict[str, Any] | None  # None: from a folder of the user's


def take_back(
    options: Any, work: Work, original: Original, ask: Callable[[str], bool] | None = None
) -> None:
    """Takes in every file that has come back; wrong ones are refused, and cost the good ones nothing.

    A file that was taken before and has not changed since is passed over.

    Args:
        original: case -> labels (d, h, w) on its grid that a person drew before.
        ask: whether an unchanged file is right as it is; None: only `--accept_unchanged` says so.

    Raises:
        BadInput: names every file that was refused, after the others were taken.
    """
    refused: list[str] = []
    if options.corrected:
        files = list(_from_folder(work, Path(options.corrected), refused))
    else:
        files = list(_from_batches(work, refused))
    taken, unchanged = 0, []
    for one in files:
        sha = file_hash(one.path)
        if work.cases[one.case].get("taken", {}).get("file_sha256") == sha:
            _enter_return(work, one)
            continue
        try:
            ids = read_corrected(one.path, work.path("predicted", one.case), _known_ids(work))
        except BadInput as error:
            refused.append(str(error))
            continue
        before = _handed_out(work, one)
        same = bool((ids == before).all())
        check = one.batch is not None and one.case in one.batch["check"]
        if same and check:
            print(f"{one.case}: looked at again, stays as corrected")
            _enter_return(work, one)
            continue
        if same and not options.accept_unchanged:
            if ask is None or not ask(f"{one.case} is as it was predicted. Is it right as it is?"):
                unchanged.append(one.case)
                continue
        _accept(work, one, ids, original(one.case), sha)
        taken += 1
    print(f"{taken} taken back; {len(work.having('corrected'))} cases are corrected")
    if unchanged:
        print(
            f"unchanged since they were predicted: {', '.join(unchanged)}. Not corrected yet? Then there is "
            "nothing to do; right as they are? Then --accept_unchanged takes them"
        )
    if refused:
        kept = f", the other {taken} taken" if taken else ""
        raise BadInput("\n".join(refused) + f"\n{len(refused)} refused{kept}; mend and repeat")


def restore_fixed(
    ids: np.ndarray, predicted: np.ndarray, original: np.ndarray, fixed: Sequence[int]
) -> tuple[np.ndarray, int]:
    """Puts back what a correction may not touch.

    Voxels with an original label keep it. Ids that are drawn in the source and not predicted (`fixed`)
    may not appear anywhere else either, since their annotation is complete: such voxels go back to what
    was predicted.

    Returns:
        The ids (d, h, w) uint8, and how many voxels were put back.
    """
    result = np.where(np.isin(ids, fixed) & (original != ids), predicted, ids)
    result = np.where(original > 0, original, result).astype(np.uint8)
    return result, int(np.count_nonzero(result != ids))


def changes(
    before: np.ndarray, after: np.ndarray, labels: Sequence[int]
) -> dict[str, dict[str, int]]:
    """Voxels added to and removed from each label by a correction; untouched labels are left out."""
    told = {}
    for label in labels:
        was, now_ = before == label, after == label
        added, removed = int((now_ & ~was).sum()), int((was & ~now_).sum())
        if added or removed:
            told[str(label)] = {"added": added, "removed": removed}
    return told


def _accept(work: Work, one: Returned, ids: np.ndarray, original: np.ndarray, sha: str) -> None:
    """Writes the accepted labels, enters them and says what was changed."""
    known, predicted = work.cases[one.case], read_ids(work.path("predicted", one.case))
    state = work.state
    fixed = [i for i in state["original_labels"] if i not in state["output_labels"]]
    ids, put_back = restore_fixed(ids, predicted, original, fixed)
    told = changes(predicted, ids, work.outputs)
    agreement = dice_of(predicted, ids, work.outputs)
    grid = read_grid(work.path("predicted", one.case))[0]
    write_image(work.path("accepted", one.case), grid.image(ids))
    known["taken"] = {
        "time": now(),
        "file": str(one.path.resolve()),
        "file_sha256": sha,
        "round": known["round"],
        "changed": told,
        "dice": agreement,
        "unchanged": not told,
    }
    _enter_return(work, one)
    words = [
        f"{state['labels'][label]} +{c['added']} -{c['removed']} voxels"
        + (f", dice {agreement[label]:.4f}" if label in agreement else "")
        for label, c in told.items()
    ]
    print(f"{one.case}: {'; '.join(words) or 'right as predicted'}")
    if put_back:
        print(f"  {put_back} voxels of labels drawn before were painted over or added: put back")


def _enter_return(work: Work, one: Returned) -> None:
    """Notes that a case of a batch has come back."""
    for batch in [one.batch] if one.batch else work.state["batches"]:
        if one.case in batch["new"] + batch["check"]:
            batch["returned"].setdefault(one.case, now())
    work.save()


def _handed_out(work: Work, one: Returned) -> np.ndarray:
    """The labels as they were handed out."""
    check = one.batch is not None and one.case in one.batch["check"]
    return read_ids(work.path("accepted" if check else "predicted", one.case))


def _known_ids(work: Work) -> list[int]:
    return sorted({*work.state["output_labels"], *work.state["original_labels"]})


def _from_batches(work: Work, refused: list[str]) -> Iterator[Returned]:
    """The label file of each case in the newest batch that has it."""
    newest = {case: b for b in work.state["batches"] for case in (*b["new"], *b["check"])}
    if not newest:
        raise BadInput(
            "--step take_back: nothing was handed out; --step hand_out first, or name a folder of corrected "
            "labels with --corrected"
        )
    for case, batch in newest.items():
        path = work.batch_folder(batch["number"]) / f"{case}{LABEL}"
        if path.exists():
            yield Returned(case, path, batch)
        elif case not in batch["returned"]:
            refused.append(
                f"{path}: is missing; put the corrected label of {case} there, or give its folder with "
                f"--corrected (the prediction is still in {work.path('predicted', case)})"
            )


def _from_folder(work: Work, folder: Path, refused: list[str]) -> Iterator[Returned]:
    """Label files of a folder: `<case>_label` or `<case>`, of any image format."""
    if not folder.is_dir():
        raise BadInput(f"--corrected {folder}: no such folder")
    files = [f for f in sorted(folder.iterdir()) if f.name.lower().endswith(SUFFIXES)]
    helpers = ("_image", "_confidence", "_prediction")
    found: dict[str, Path] = {}
    for file in files:
        name = stem(file)
        case = next((c for c in (name, name.removesuffix("_label")) if c in work.cases), None)
        if case is None:
            if not any(part in name for part in helpers):
                refused.append(
                    f"{file}: belongs to no case of this work; name it <case>_label.nii.gz, such as "
                    f"{next(iter(work.cases), 'case')}_label.nii.gz"
                )
        elif work.status_of(case) == "unpredicted":
            refused.append(f"{file}: {case} is not predicted yet; --step generate first")
        elif case in found:
            refused.append(f"{file}: {found[case].name} is the label of {case} too; keep one")
        else:
            found[case] = file
    if not found and not refused:
        raise BadInput(f"--corrected {folder}: holds no label file ({', '.join(SUFFIXES)})")
    for case, file in found.items():
        yield Returned(case, file, None)
