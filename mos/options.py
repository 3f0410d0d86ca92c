"""Options every training task has: length, weights, optimisation, precision, record."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.folders import checkpoint_root

FOLD = "{fold}"
_NUMBERED = re.compile(r".+-(\d+)")


def fill_in(text: str, setting: str) -> str:
    """The text with `{setting}` as SETTING and `{fold}` as its number: 3 of `heart-3`.

    Raises:
        BadInput: it asks for the fold of a setting without one.
    """
    number = _NUMBERED.fullmatch(setting)
    if FOLD in text and not number:
        raise BadInput(
            f"{text}: {FOLD} is the number at the end of SETTING, and {setting} ends in none; give "
            "a fold such as SETTING=heart-0, or the name without it"
        )
    return text.replace(FOLD, number[1] if number else "").replace("{setting}", setting)


def parse_weights(text: str) -> Path:
    """Reads a path to weights and makes it absolute, so that it stays right wherever a run goes on.

    A relative path is looked for where the user stands, then among the results: `.checkpoint/` at its
    start means MOS_CHECKPOINT, so that an example from the README works from any folder.
    """
    path = Path(text).expanduser()
    here = Path(os.path.abspath(path))
    inside = path.parts[1:] if path.parts[:1] == (".checkpoint",) else path.parts
    there = Path(os.path.abspath(checkpoint_root().joinpath(*inside)))
    return there if _is_there(there) and not _is_there(here) else here


def _is_there(path: Path) -> bool:
    """Whether it exists, as far as it is known before `{setting}` or `{fold}`."""
    known = path if "{" not in str(path) else Path(str(path).partition("{")[0]).parent
    return known.exists()


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long, how fast and how exactly to train; a task adds its own data and model options."""

    # Length
    epoch_count: int = option(40, "epochs the run should reach in all", env="COUNT", group="Length")
    batch_size: int = option(
        16,
        "samples of a batch, over all processes together; a step takes one batch, or --gradient_accumulation_steps",
        env="BS",
    )
    start_epoch: int = option(
        0, "first epoch to train; 0: go on after the last stored one, 1: from scratch"
    )
    increase_epoch: str | None = option(
        None, "n: n epochs more; -n: do the last n again; fix: on to the next multiple of 10"
    )
    loop: int = option(1, "times the training set is gone through within one epoch")
    sample_count: int = option(0, "samples per epoch before looping; 0: all. For a quick try, 64")
    patience: int = option(
        0,
        "stop after so many epochs without a better validation score; 0: train all of --epoch_count",
    )

    # Weights
    pretrain_model_path: Path | None = option(
        None,
        "start a new run from what fits of these weights: a file (.safetensors, .pt, .pth), an epoch folder, a run "
        "folder (its best), or '<run>/latest'; {setting} and {fold} in it are SETTING and the number it ends in. The "
        "run's own epochs come first, then --model_path, then this, then fresh weights",
        parse=parse_weights,
        format=str,
        group="Weights",
    )
    model_path: Path | None = option(
        None,
        "start a new run from exactly these weights: every tensor must fit. Same forms; wins over "
        "--pretrain_model_path",
        parse=parse_weights,
        format=str,
    )
    load_model_strict: bool = option(
        False, "refuse pretrained weights of which anything would be left out or start anew"
    )
    load_optimizer: bool = option(
        False, "bring the optimiser's moments along too, from the state.pt beside the weights"
    )

    # Optimisation
    learning_rate: float = option(1e-3, "peak learning rate of AdamW", group="Optimisation")
    weight_decay: float = option(1e-2, "decoupled weight decay; norms and biases are left out")
    warmup_epochs: float = option(1.0, "epochs (fractions allowed) of linear warm-up")
    lr_scheduler: Literal["cosine", "poly", "multistep", "constant"] = option(
        "cosine", "shape of the learning rate over the run, a function of the step alone"
    )
    lr_scheduler_parameter: str = option(
        "", "multistep: epochs at which to step, such as 60,80; poly: the exponent (0.9)"
    )
    lr_scheduler_gamma: float = option(0.1, "multistep: factor at each step")
    lr_floor: float = option(0.01, "cosine, poly: smallest rate, as a share of the peak")
    schedule_epochs: int = option(
        0,
        "epochs the schedule spans; 0: --epoch_count of the run's first start. Later epochs stay at the floor",
    )
    gradient_accumulation_steps: int = option(
        1, "batches per optimiser step; their losses are averaged"
    )
    gradient_clip: float = option(12.0, "largest gradient norm; 0: no clipping")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "auto", "auto: bf16 where the device computes it fast, else fp32; fp16 needs a GPU"
    )
    channels_last: Literal["auto", "on", "off"] = option(
        "auto",
        "memory format of images and weights; auto: on where it is faster, with batch norm (and on a CPU in fp32 "
        "with group norm)",
    )
    compile: Literal["off", "on"] = option(
        "off",
        "torch.compile the training steps: a minute at the start, then up to 1.3 times as fast in fp32; pays "
        "for long runs with one crop size",
    )
    device: str = option("auto", "auto, cpu, cuda or cuda:1; auto takes a GPU where there is one")
    threads: int = option(0, "CPU threads; 0: all cores (shared by the processes of one machine)")
    seed: int = option(0, "seed of weights, order, crops and augmentation")
    deterministic: bool = option(
        False,
        "GPU: only deterministic kernels (slower). A CPU run repeats itself bit for bit anyway",
    )

    # Record
    note: str = option("", "free text kept with the run and shown in the report", group="Record")
    tag: str = option("", "goes into the run's name as network[tag]")
    dir_postfix: str = option("", "goes behind the run's name, such as '[pretrain]' (quote it)")
    re_eval: Literal["", "complete", "normal", "force"] = option(
        "", "score the stored epochs again and stop: complete (what is missing), normal or force"
    )
    run_plot_test: bool = option(
        False, "draw the test cases of the stored run's best epoch and stop, as cmd/plot-test"
    )
    log_every_n_epochs: int = option(10, "write pictures to TensorBoard every n epochs; 0: never")
    use_profile: bool = option(
        False,
        "say where the time of an epoch goes and record traces into logs/: needs five epochs, of which the first is "
        "left alone, the second timed, three recorded (their first steps); this start only. See cmd/profile",
    )

    def check(self) -> None:
        """Checks what can be checked without data.

        Raises:
            BadInput: names the option, the value and the range.
        """
        at_least = {
            "epoch_count": 1,
            "batch_size": 1,
            "start_epoch": 0,
            "loop": 1,
            "sample_count": 0,
            "patience": 0,
        }
        at_least |= {
            "gradient_accumulation_steps": 1,
            "threads": 0,
            "seed": 0,
            "log_every_n_epochs": 0,
        }
        at_least |= {
            "weight_decay": 0,
            "warmup_epochs": 0,
            "gradient_clip": 0,
            "schedule_epochs": 0,
        }
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise BadInput(f"--{name} {getattr(self, name)}: needs at least {least}")
        if self.learning_rate <= 0:
            raise BadInput(f"--learning_rate {self.learning_rate}: needs a positive number")
        if not 0 <= self.lr_floor <= 1:
            raise BadInput(f"--lr_floor {self.lr_floor}: needs a share between 0 and 1")
        if self.increase_epoch is not None:
            if self.start_epoch:
                raise BadInput("--increase_epoch and --start_epoch contradict each other: give one")
            parse_increase(self.increase_epoch)
        for name in ("tag", "dir_postfix"):
            if "/" in getattr(self, name) or getattr(self, name).startswith("."):
                raise BadInput(
                    f"--{name} {getattr(self, name)!r}: becomes part of a folder name, no '/'"
                )
        parse_scheduler_parameter(self.lr_scheduler, self.lr_scheduler_parameter)


def parse_increase(text: str) -> int | Literal["fix"]:
    """Reads `--increase_epoch`: a number other than 0, or `fix`."""
    if text == "fix":
        return "fix"
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number == 0:
        raise BadInput(f"--increase_epoch {text}: needs n (n more), -n (the last n again) or fix")
    return number


def parse_scheduler_parameter(kind: str, text: str) -> tuple[float, ...]:
    """Reads `--lr_scheduler_parameter`: milestones in epochs for multistep, the exponent for poly."""
    try:
        values = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise BadInput(f"--lr_scheduler_parameter {text!r}: needs numbers such as 60,80") from None
    if kind == "multistep" and (not values or list(values) != sorted(values)):
        raise BadInput(
            "--lr_scheduler multistep: needs ascending --lr_scheduler_parameter epochs, such as 60,80"
        )
    if kind == "poly" and len(values) > 1:
        raise BadInput(f"--lr_scheduler poly: needs one exponent, got {text!r}")
    return values
