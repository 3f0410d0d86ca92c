"""The label ids of a run: how many there are, which are learnt, which are scored."""

from collections.abc import Mapping
from dataclasses import dataclass

from mos.data.bundle import Bundle
from mos.data.label import check_labels, highest_label
from mos.errors import BadInput
from run.baseline.model_arguments import ModelArguments


@dataclass(frozen=True)
class Labels:
    """The label ids of a run."""

    count: int
    names: Mapping[int, str]
    train: tuple[int, ...]
    evaluate: tuple[int, ...]


def labels_for(options: ModelArguments, bundle: Bundle) -> Labels:
    """Settles the label lists: what is asked for, checked against what the file says and holds.

    Reads every segmentation of the file once, so that no id out of range is ever taken for background.

    Raises:
        BadInput: an id the file does not annotate or the network has no channel for.
    """
    known = bundle.label_names
    if options.label_count or known:
        count = options.label_count or max(known) + 1
        check_labels(bundle, count)
    else:
        count = highest_label(bundle) + 1
    if count < 2:
        raise BadInput(f"{bundle.path}: holds no label besides background")
    annotated = tuple(range(1, count)) if bundle.annotated is None else bundle.annotated
    train = options.dataset_train_labels or tuple(label for label in annotated if label < count)
    evaluate = options.dataset_eval_labels or train
    for name, labels in (("dataset_train_labels", train), ("dataset_eval_labels", evaluate)):
        for label in labels:
            if label >= count:
                raise BadInput(
                    f"--{name}: id {label} needs --label_count {label + 1} or more; it is {count}"
                )
            if label not in annotated:
                raise BadInput(
                    f"--{name}: id {label} is not annotated in {bundle.path}; annotated: {list(annotated)}"
                )
    if not set(evaluate) <= set(train):
        extra = sorted(set(evaluate) - set(train))
        raise BadInput(
            f"--dataset_eval_labels: ids {extra} are not learnt; add them to --dataset_train_labels"
        )
    return Labels(
        count,
        {i: known.get(i, "background" if i == 0 else f"label {i}") for i in range(count)},
        train,
        evaluate,
    )
