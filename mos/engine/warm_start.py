"""Weights another training left: found, read without running their code, and loaded as far as they fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mos.engine.checkpoint import first_names, load_state, read_safetensors
from mos.engine.optimizer import load_moments, make_optimizer
from mos.errors import BadInput
from mos.folders import BEST, LATEST, STATE, WEIGHTS

# Under these names training programs keep the weights among other things in one file.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "network_weights")
# What they put before every name: data parallel, torch.compile, both, and Lightning modules.
_PREFIXES = ("", "module.", "_orig_mod.", "module._orig_mod.", "model.", "network.", "net.")
# Checkpoints and folders one may name.
_FORMS = (
    "a weights file (.safetensors, .pt, .pth), an epoch folder, a run folder, or its latest or best"
)


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which tensors of a file go into a network, by name and shape."""

    matched: Mapping[str, Tensor]  # name in the network: value
    skipped: list[str]  # names in the file that go nowhere
    reinitialised: list[str]  # names in the network that keep their fresh values
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]  # in both: file's, network's
    share: float  # of the network's learnable numbers, 0-1


def find_weights(given: Path, flag: str) -> Path:
    """The weights file that a path means; links are followed, so that it stays the same file.

    A file is itself. Of a folder, the first that is there:

    1. its own weights: it is an epoch, or the `latest` or `best` of a run
    2. `best/`: it is a run, and best is what validation chose
    3. `latest/`: a run without a `best`

    Args:
        flag: the option that gave the path, for messages.

    Raises:
        BadInput: there is nothing there, or no weights (any more).
    """
    if given.is_file():
        return given.resolve()
    if not given.is_dir():
        raise BadInput(f"{flag} {given}: nothing is there; needs {_FORMS}")
    for folder in (given, given / BEST, given / LATEST):
        if (folder / WEIGHTS).is_file():
            return (folder / WEIGHTS).resolve()
    raise BadInput(
        f"{flag} {given}: holds no {WEIGHTS} (only the latest, the best and every tenth epoch of a run keep "
        f"theirs); needs {_FORMS}"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file, by name, on the CPU; nothing in the file is executed.

    A torch file may hold them itself or under "state_dict", "model", "model_state_dict" or
    "network_weights" (nnU-Net).

    Raises:
        BadInput: it cannot be read safely, is broken, or holds no tensors by name.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # zip, pickle and torch each raise their own
        text = str(error) or type(error).__name__
        if "allowed global" in text or "Can only build" in text:
            raise BadInput(
                f"{path}: holds Python objects beside tensors, and reading those could run code from the file. If "
                f'you trust who made it, write its tensors alone and give that file: python -c "import torch; '
                f"c = torch.load('{path.name}', weights_only=False, map_location='cpu'); "
                "torch.save(c['state_dict'], 'clean.pt')\""
            ) from error
        # What the restricted reader says of a file that is no pickle is a page about trust.
        reason = "no torch checkpoint" if "WeightsUnpickler" in text else text.splitlines()[0]
        raise BadInput(f"{path}: not a readable weights file ({reason}); needs {_FORMS}") from error
    if not isinstance(content, Mapping):
        raise BadInput(f"{path}: holds a {type(content).__name__}; needs tensors by name")
    # The file's own level comes last: beside its weights it may hold a count or a rate as a tensor.
    for candidate in (*(content.get(name) for name in _WRAPPERS), content):
        tensors = _tensors(candidate)
        if tensors:
            return tensors
    keys = ", ".join(sorted(str(key) for key in content)[:8]) or "none"
    raise BadInput(
        f"{path}: holds no weights (keys: {keys}); needs tensors by name, or these under "
        f"{', '.join(repr(name) for name in _WRAPPERS)}"
    )


def _tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): one for name, one in value.items() if isinstance(one, Tensor)}


def match(tensors: Mapping[str, Tensor], network: nn.Module) -> Match:
    """Says what of `tensors` fits `network`; changes nothing.

    Prefixes such as `module.` are taken off, and that of the network's own wrapper is put on, where more
    names match so. A tensor the network has under two names counts once.
    """
    aliases = first_names(network)
    own = network.state_dict()
    tops = {name.partition(".")[0] + "." for name in own}
    wrappers = ("", *tops) if len(tops) == 1 else ("",)
    tensors = max(
        (_renamed(tensors, off, on) for off in _PREFIXES for on in wrappers),
        key=lambda one: len(one.keys() & own.keys()),
    )
    named = {aliases.get(name, name): tensors[name] for name in reversed(tensors)}
    needed = sorted(set(aliases.values()))
    both = [name for name in needed if name in named]
    fitting = [name for name in both if named[name].shape == own[name].shape]
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return Match(
        matched={name: named[name] for name in fitting},
        skipped=sorted(named.keys() - set(fitting)),
        reinitialised=[name for name in needed if name not in set(fitting)],
        shapes={
            name: (tuple(named[name].shape), tuple(own[name].shape))
            for name in both
            if named[name].shape != own[name].shape
        },
        share=sum(sizes.get(name, 0) for name in fitting) / max(sum(sizes.values()), 1),
    )


def _renamed(tensors: Mapping[str, Tensor], off: str, on: str) -> dict[str, Tensor]:
    return {on + name.removeprefix(off): tensor for name, tensor in tensors.items()}


def load_matching(path: Path, network: nn.Module, *, flag: str, strict: bool) -> Match:
    """Loads the tensors of `path` that fit into `network`; the others keep their fresh values.

    Args:
        flag: the option that gave the path, for messages.
        strict: refuse instead of leaving anything out on either side.

    Raises:
        BadInput: no learnable tensor fits, not all fit although `strict`, or one is nan or infinite.
            Nothing is loaded then.
    """
    tensors = read_weights(path)
    found = match(tensors, network)
    if not found.share:
        raise BadInput(
            f"{flag} {path}: nothing in it fits this network. It holds {_some(sorted(tensors))}; the network needs "
            f"{_some(found.reinitialised)}. Give weights of the same --model, 2-D or 3-D, and --model_channels"
        )
    problems = misfits(found.skipped, found.reinitialised, found.shapes)
    if strict and problems:
        raise BadInput(
            f"{flag} {path}: does not fit this network exactly: {'; '.join(problems)}. Give the model "
            "options and labels of its run.json, or --pretrain_model_path without --load_model_strict to load "
            "what fits"
        )
    for name, tensor in found.matched.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadInput(f"{flag} {path}: {name} holds nan or infinity; give an earlier epoch")
    aliases = first_names(network)
    values = {name: found.matched[one] for name, one in aliases.items() if one in found.matched}
    network.load_state_dict(values, strict=False)
    return found


def misfits(
    skipped: Sequence[str], reinitialised: Sequence[str], shapes: Mapping[str, Sequence]
) -> list[str]:
    """What did not fit, a phrase for each way: how many, and the first few names. See `Match`."""
    other = [f"{name} {tuple(file)} -> {tuple(own)}" for name, (file, own) in shapes.items()]
    phrases = [
        (other, "of another shape (file -> network)"),
        ([name for name in skipped if name not in shapes], "in the file, not in the network"),
        ([name for name in reinitialised if name not in shapes], "in the network, not in the file"),
    ]
    return [f"{len(names)} {what}: {_some(names)}" for names, what in phrases if names]


def _some(names: Sequence[str], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def find_moments(weights: Path, network: nn.Module) -> Path:
    """The training state beside an epoch's weights, whose optimiser moments fit `network`.

    Raises:
        BadInput: there is none, or it belongs to a differently built network.
    """
    path = weights.with_name(STATE)
    if weights.name != WEIGHTS or not path.exists():
        raise BadInput(
            f"--load_optimizer: there is no {STATE} beside {weights} (the latest and every tenth epoch of a run "
            "keep theirs, and a single weights file has none); give such an epoch, or leave --load_optimizer out"
        )
    bring_moments(path, make_optimizer(network, 1.0, 0.0))
    return path


def bring_moments(path: Path, optimizer: torch.optim.Optimizer) -> None:
    """Gives `optimizer` the moments stored in a `state.pt`; rate and decay stay its own.

    Raises:
        BadInput: they belong to a differently built network.
    """
    state = load_state(path.parent)
    problem = load_moments(optimizer, state["optimizer"])
    if problem:
        raise BadInput(
            f"--load_optimizer {path}: {problem}; leave --load_optimizer out, and the moments start anew"
        )
