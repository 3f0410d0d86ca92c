"""Whether a run that goes on is still the same one, and what of its options has changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mos.errors import BadInput

# What belongs to one start, or says what a new run begins with: no change of a run that goes on.
NOT_OF_THE_RUN = ("start_epoch", "increase_epoch", "pretrain_model_path", "model_path") + (
    "load_model_strict",
    "load_optimizer",
    "encoder_weights",
    "use_profile",
)


def check_same_run(
    run: Path, old: Mapping[str, Any], new: Mapping[str, Any], since: Mapping[str, Any]
) -> None:
    """Refuses to go on with other options or dataset files.

    Args:
        old, new: the record as stored, and as the run would start now: `identity` (what builds the network
            and decides a score), `dataset` and `aux_datasets` with `name` and `sha256`.
        since: what runs had before these became part of an identity.

    Raises:
        BadInput: names what differs.
    """
    before = since | old.get("identity", {})
    changed = [
        f"{key} {before.get(key)} -> {value}"
        for key, value in new["identity"].items()
        if before.get(key) != value
    ]
    own = "begin a run of its own with --dir_postfix '[name]'"
    if changed:
        raise BadInput(
            f"{run}: its epochs were made with another {'; '.join(changed)}. Leave these options out to go on "
            f"with the old values, or {own}"
        )
    for now, then in zip(_datasets(new), _datasets(old), strict=True):
        if now["sha256"] != then.get("sha256"):
            raise BadInput(
                f"{run}: its dataset file {now['name']} has changed since the run began, so its epochs could "
                f"not be compared. Put the old file back, or {own}"
            )


def _datasets(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [record.get("dataset", {}), *record.get("aux_datasets", ())]


def say_changes(old: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Options that may change within a run are said; `starts` keeps them all."""
    before = old.get("options", {})
    for name, text in texts.items():
        if name in before and before[name] != text and name not in NOT_OF_THE_RUN:
            print(f"changed  {name} {before[name] or 'empty'} -> {text or 'empty'}, from here on")
