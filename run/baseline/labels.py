"""The label ids of a run: how many there are, which are learnt from which set, which are scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mos.data.bundle import Bundle
from mos.data.label import check_labels, highest_label, labels_found
from mos.errors import BadInput
from mos.shapes import format_labels
from run.baseline.model_arguments import ModelArguments


@dataclass(frozen=True)
class Labels:
    """The label ids of a run."""

    count: int
    names: Mapping[int, str]
    train: tuple[int, ...]  # learnt, from whichever set
    evaluate: tuple[int, ...]  # scored on the main set
    main: tuple[int, ...] | None = None  # known in the main set; None: all that are learnt
    aux: tuple[tuple[int, ...], ...] = ()  # learnt from each auxiliary set


def labels_for(
    options: ModelArguments, bundle: Bundle, aux: Mapping[str, Bundle] | None = None
) -> Labels:
    """Settles the label lists: what is asked for, checked against what the files say and hold.

    Reads every segmentation of the files once, so that no id out of range is ever taken for background.

    Args:
        bundle: the main set.
        aux: the auxiliary sets by name, in the order of `--aux_dataset`.

    Raises:
        BadInput: an id a file does not annotate or the network has no channel for, one that is learnt
            nowhere, one that means different things in two sets.
    """
    aux = aux or {}
    count = options.label_count or max(map(_own_count, (bundle, *aux.values())))
    if count < 2:
        raise BadInput(f"{bundle.path}: holds no label besides background")
    for one in (bundle, *aux.values()):
        if options.label_count or one.label_names:
            check_labels(one, count)
    annotated = _annotated(bundle, count, alone=not aux)
    main = options.dataset_train_labels or _below(annotated, count)
    _check_list("dataset_train_labels", main, annotated, bundle, count)
    lists = options.aux_dataset_labels or ((),) * len(aux)
    aux_labels = []
    for asked, one in zip(lists, aux.values(), strict=True):
        its = _annotated(one, count, alone=False)
        _check_list("aux_dataset_labels", asked, its, one, count)
        aux_labels.append(asked or _below(its, count))
    learnt = _learnt(options, main, aux_labels)
    evaluate = options.dataset_eval_labels or tuple(label for label in main if label in learnt)
    _check_list("dataset_eval_labels", evaluate, annotated, bundle, count)
    if not set(evaluate) <= set(learnt):
        extra = sorted(set(evaluate) - set(learnt))
        where = "--dataset_train_labels"
        if options.aux_dataset_only:
            where = f"--aux_dataset_labels, if {options.aux_dataset} annotate them"
        raise BadInput(f"--dataset_eval_labels: ids {extra} are not learnt; add them to {where}")
    users = [(bundle, {*main, *evaluate})] + [
        (one, set(labels)) for one, labels in zip(aux.values(), aux_labels)
    ]
    return Labels(count, _names(users, count), learnt, evaluate, main, tuple(aux_labels))


def _own_count(bundle: Bundle) -> int:
    return (max(bundle.label_names) if bundle.label_names else highest_label(bundle)) + 1


def _annotated(bundle: Bundle, count: int, *, alone: bool) -> tuple[int, ...]:
    """The ids a file annotates. One that does not say: all, or beside other sets those it holds."""
    if bundle.annotated is not None:
        return bundle.annotated
    return tuple(range(1, count)) if alone else labels_found(bundle)


def _below(labels: Sequence[int], count: int) -> tuple[int, ...]:
    return tuple(label for label in labels if label < count)


def _check_list(
    option: str, labels: Sequence[int], annotated: Sequence[int], bundle: Bundle, count: int
) -> None:
    for label in labels:
        if label >= count:
            raise BadInput(
                f"--{option}: id {label} needs --label_count {label + 1} or more; it is {count}"
            )
        if label not in annotated:
            raise BadInput(
                f"--{option}: id {label} is not annotated in {bundle.path}; annotated: {list(annotated)}"
            )


def _learnt(
    options: ModelArguments, main: Sequence[int], aux: Sequence[Sequence[int]]
) -> tuple[int, ...]:
    """The ids of the sets that are trained on."""
    lists = [] if options.aux_dataset_only else [main]
    if not options.main_dataset_only:
        lists += aux
    learnt = tuple(sorted({label for labels in lists for label in labels}))
    whole = any(set(labels) == set(learnt) for labels in lists)
    if options.partial_labels == "ignore" and not whole:
        said = "; ".join(
            f"{name}: {format_labels(labels)}" for name, labels in zip(options.train_names, lists)
        )
        raise BadInput(
            f"--partial_labels ignore: no set annotates all that is learnt ({said}), so no voxel would ever be "
            "known to be background; use marginal or mask"
        )
    return learnt


def _names(users: Iterable[tuple[Bundle, set[int]]], count: int) -> dict[int, str]:
    """The name of every id: as those say who use it, else as any file says.

    Raises:
        BadInput: two sets call an id differently.
    """
    users = list(users)
    names: dict[int, tuple[str, Bundle]] = {}
    for bundle, used in users:
        for label in sorted(used & bundle.label_names.keys()):
            name = bundle.label_names[label]
            known, first = names.setdefault(label, (name, bundle))
            if _plain(known) != _plain(name):
                raise BadInput(
                    f"label id {label} is {known!r} in {first.path} and {name!r} in {bundle.path}; an id means the "
                    "same in every set of a run. Build one of them again with cmd/build --label_map (and "
                    "--label_names), or leave the id out with --aux_dataset_labels"
                )
    for bundle, _ in users:
        for label, name in bundle.label_names.items():
            names.setdefault(label, (name, bundle))
    unnamed = ("background", *(f"label {i}" for i in range(1, count)))
    return {i: names[i][0] if i in names else unnamed[i] for i in range(count)}


def _plain(name: str) -> str:
    """Names that differ in case, spaces or underscores alone are the same."""
    return "".join(name.casefold().replace("_", " ").split())
