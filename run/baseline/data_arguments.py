"""The options that say which data a segmentation run learns from, and how it is cut."""

from dataclasses import dataclass
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.options import FOLD, TrainingOptions, fill_in
from mos.shapes import format_labels, format_numbers, parse_labels, parse_sizes, parse_spacing


def parse_names(text: str) -> str:
    """Reads `acdc, mnms` as the names `acdc,mnms`, each once; empty text is `none`.

    A name may hold `{fold}` (`taught-{fold}`), which `DataArguments.filled` replaces.

    Raises:
        BadInput: a name that is no file name, one given twice, or `none` beside others.
    """
    names = [part.strip() for part in text.split(",")] if text.strip() else ["none"]
    for name in names:
        if not name or set(name.replace(FOLD, "")) & set("/[{}") or name.startswith("."):
            raise BadInput(
                f"{name!r} is no name of a dataset; give names joined by commas, such as acdc,mnms"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"{twice} is given twice; every set trains once, see --aux_dataset_weight")
    if "none" in names and len(names) > 1:
        raise BadInput("none means no auxiliary set and stands alone")
    return ",".join(names)


def parse_label_lists(text: str) -> tuple[tuple[int, ...], ...]:
    """Reads `1,3-5;3` as one label list per set, ((1, 3, 4, 5), (3,)); empty text is ().

    Raises:
        BadInput: a list that cannot be read, see `mos.shapes.parse_labels`.
    """
    return tuple(parse_labels(part) for part in text.split(";")) if text.strip() else ()


def format_label_lists(lists: tuple[tuple[int, ...], ...]) -> str:
    """The inverse of `parse_label_lists`."""
    return ";".join(map(format_labels, lists))


def parse_weights(text: str) -> tuple[float, ...]:
    """Reads `1,0.5` as positive numbers; empty text is ().

    Raises:
        BadInput: anything else.
    """
    try:
        weights = tuple(float(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        weights = (0.0,)
    if not all(0 < weight < float("inf") for weight in weights):
        raise BadInput(f"weights {text!r}: needs a positive number for each set, such as 1,0.5")
    return weights


@dataclass(frozen=True, kw_only=True)
class DataArguments(TrainingOptions):
    """Main and auxiliary datasets, labels, crops, augmentation."""

    train_dataset: str = option(
        "phantom-0",
        "main dataset: .cache/dataset/baseline/baseline-<name>.pt",
        env="SETTING",
        group="Data",
    )
    aux_dataset: str = option(
        "none",
        "auxiliary datasets, joined by commas: baseline-<name>.pt each; none: the main set alone; {fold}: the number "
        "at the end of SETTING, for a set made for each fold (taught-{fold})",
        parse=parse_names,
    )
    aux_dataset_labels: tuple[tuple[int, ...], ...] = option(
        (),
        "ids to learn from each auxiliary set, lists joined by ';': '1,3-5;3'; empty: all it annotates",
        parse=parse_label_lists,
        format=format_label_lists,
    )
    aux_dataset_weight: tuple[float, ...] = option(
        (),
        "part of every batch for each auxiliary set, where the main set has 1: 1,0.5; empty: 1 each",
        parse=parse_weights,
        format=format_numbers,
    )
    aux_dataset_only: bool = option(
        False, "train on the auxiliary sets alone (pretraining); the main set is still scored"
    )
    main_dataset_only: bool = option(
        False,
        "train on the main set alone with a network for the labels of all sets (the last epochs of a run)",
    )
    dataset_train_all: bool = option(
        False, "train on train, valid and test of the main set together; nothing is scored then"
    )
    partial_labels: Literal["marginal", "mask", "ignore"] = option(
        "marginal",
        "what a set does not annotate: marginal adds it to background, mask trains a sigmoid per label "
        "on the sets that have it, ignore leaves out voxels without a label",
    )
    label_count: int = option(0, "number of label ids, background included; 0: as the file says")
    dataset_train_labels: tuple[int, ...] = option(
        (),
        "ids to learn, such as 1,3-5,8; empty: all the file annotates",
        parse=parse_labels,
        format=format_labels,
    )
    dataset_eval_labels: tuple[int, ...] = option(
        (), "ids to score; empty: those learnt", parse=parse_labels, format=format_labels
    )
    dataset_image_size: tuple[int, ...] | None = option(
        None,
        "h,w the file must have, as a check; none: whatever it has",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_crop_size: tuple[int, ...] = option(
        (128, 128),
        "training window in voxels; h,w trains in 2-D, d,h,w in 3-D",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_empty_slices: float = option(
        1.0,
        "2-D: train on slices without a label too, at most so many for each one with a label; 0: none",
    )
    dataset_crop_deep_maxscale: int = option(
        1, "3-D: largest stride between kept slices; 1: contiguous"
    )
    dataset_valid_crop_size: tuple[int, ...] = option(
        (16, 160, 160),
        "d,h,w of the window that slides over whole volumes at evaluation; 2-D uses its h,w",
        parse=parse_sizes,
        format=format_numbers,
    )
    dataset_valid_crop_overlap: float = option(0.25, "share by which neighbouring windows overlap")
    dataset_spacing: tuple[float, ...] | None = option(
        None,
        "d,h,w in mm for distances; none: as the file says, per case",
        parse=parse_spacing,
        format=format_numbers,
    )
    dataset_device: str = option(
        "auto", "where the voxels live: cpu, cuda; auto: the GPU when they fit, else mapped"
    )
    image_enhance_level: int = option(
        3, "0 centre crop, 1 random crop, 2 and flips, rotation, scaling, 3 and intensity"
    )
    image_flip_axes: str = option(
        "hw",
        "axes that levels 2 and 3 may mirror, letters out of d, h, w; w alone where up is not down",
    )
    image_turned_share: float = option(
        0.5,
        "share of the samples that levels 2 and 3 rotate and scale, 0 to 1; more against overfitting, "
        "less for short trainings",
    )

    @property
    def dims(self) -> int:
        """2 or 3: the count of numbers in the crop size."""
        return len(self.dataset_crop_size)

    @property
    def aux_names(self) -> tuple[str, ...]:
        """The names of the auxiliary sets."""
        return () if self.aux_dataset == "none" else tuple(self.filled(self.aux_dataset).split(","))

    @property
    def aux_folder_name(self) -> str:
        """What the run's name says of them: the same in every fold, `taught` for `taught-{fold}`."""
        return self.aux_dataset.replace(f"-{FOLD}", "").replace(FOLD, "")

    def filled(self, text: str) -> str:
        """The text with `{setting}` as SETTING and `{fold}` as its number: 3 of `heart-3`.

        Raises:
            BadInput: it asks for the fold of a setting without one.
        """
        return fill_in(text, self.train_dataset)

    @property
    def train_names(self) -> tuple[str, ...]:
        """The names of the sets that are trained on, the main one first."""
        main = () if self.aux_dataset_only else (self.train_dataset,)
        return main + (() if self.main_dataset_only else self.aux_names)

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and the range.
        """
        super().check()
        self._check_sets()
        if 0 in self.dataset_crop_size or 0 in self.dataset_valid_crop_size:
            raise BadInput(
                "--dataset_crop_size and --dataset_valid_crop_size need positive numbers"
            )
        if len(self.dataset_valid_crop_size) != 3:
            raise BadInput("--dataset_valid_crop_size: evaluation covers volumes, give d,h,w")
        if self.dataset_spacing and 0 in self.dataset_spacing:
            raise BadInput(
                f"--dataset_spacing {format_numbers(self.dataset_spacing)}: needs three sizes in mm above 0, such as "
                "10,1.5,1.5; leave the option out where the file says its spacing"
            )
        if not 0 <= self.dataset_valid_crop_overlap < 1:
            raise BadInput(
                f"--dataset_valid_crop_overlap {self.dataset_valid_crop_overlap}: needs 0 to below 1"
            )
        if not 0 <= self.image_enhance_level <= 3:
            raise BadInput(f"--image_enhance_level {self.image_enhance_level}: needs 0, 1, 2 or 3")
        if not set(self.image_flip_axes) <= set("dhw"):
            raise BadInput(
                f"--image_flip_axes {self.image_flip_axes}: needs letters out of d, h, w"
            )
        if not 0 <= self.image_turned_share <= 1:
            raise BadInput(f"--image_turned_share {self.image_turned_share}: needs 0 to 1")
        if not 0 <= self.dataset_empty_slices < float("inf"):
            raise BadInput(f"--dataset_empty_slices {self.dataset_empty_slices}: needs 0 or more")
        if self.dataset_crop_deep_maxscale < 1:
            raise BadInput(
                f"--dataset_crop_deep_maxscale {self.dataset_crop_deep_maxscale}: needs 1 or more"
            )
        if self.label_count == 1 or not 0 <= self.label_count <= 256:
            raise BadInput(
                f"--label_count {self.label_count}: needs 2 to 256, or 0 for what the file says"
            )

    def _check_sets(self) -> None:
        names = self.aux_names
        if not names:
            for name in ("aux_dataset_only", "aux_dataset_labels", "aux_dataset_weight"):
                if getattr(self, name):
                    raise BadInput(
                        f"--{name}: there is no auxiliary set; give --aux_dataset too, such as --aux_dataset acdc"
                    )
        if self.aux_dataset_only and self.main_dataset_only:
            raise BadInput(
                "--aux_dataset_only and --main_dataset_only: together they leave nothing to train on; give one"
            )
        if self.aux_dataset_only and self.dataset_train_all:
            raise BadInput(
                "--dataset_train_all trains on all of the main set, --aux_dataset_only on nothing of it; give one"
            )
        if self.train_dataset in names:
            raise BadInput(
                f"--aux_dataset {self.aux_dataset}: {self.train_dataset} is the main dataset itself (SETTING); "
                "give other sets, or none"
            )
        for name, what in (
            ("aux_dataset_labels", "label lists"),
            ("aux_dataset_weight", "weights"),
        ):
            values = getattr(self, name)
            if values and len(values) != len(names):
                joint = "';'" if name == "aux_dataset_labels" else "','"
                raise BadInput(
                    f"--{name}: {len(values)} {what} for {len(names)} sets ({self.aux_dataset}); give one for each, "
                    f"joined by {joint}, or leave the option out"
                )
        if self.batch_size < len(self.train_names):
            raise BadInput(
                f"BS={self.batch_size} (--batch_size): every batch holds samples of each of the "
                f"{len(self.train_names)} sets trained on ({', '.join(self.train_names)}); give BS="
                f"{len(self.train_names)} or more"
            )
