"""Step `status`: how far the work has come, and what is next."""

from collections.abc import Iterator

from mos.shapes import format_labels
from run.baseline.pseudo.state import Work, missing

STATES = ("unpredicted", "predicted", "out", "corrected")


def next_step(work: Work) -> str:
    """The step that brings the work on: generate, take_back, merge, retrain or hand_out."""
    if not work.round or work.having("unpredicted"):
        return "generate"
    if work.open_batches():
        return "take_back"
    merges, corrected = work.state["merges"], sorted(work.having("corrected"))
    if corrected and (not merges or merges[-1]["corrected"] != corrected):
        return "merge"
    if corrected and merges[-1].get("round", 0) == work.round:
        return "retrain"
    if work.having("predicted"):
        return "hand_out"
    return "retrain" if corrected else "generate"


def describe(work: Work) -> Iterator[str]:
    """The lines of the status view."""
    state = work.state
    source = state["source"]
    about = f"{source['name']} {source['key']}" if source["kind"] == "dataset" else "images"
    yield f"{work.folder}: pseudo-labels of {about}"
    ids = ", ".join(f"{i} {state['labels'].get(str(i), '')}" for i in state["output_labels"])
    kept = format_labels(state["original_labels"])
    yield f"  labels    {ids or 'not settled yet'}" + (f"; drawn before: {kept}" if kept else "")
    counts = {status: len(work.having(status)) for status in STATES}
    yield "  cases     " + ", ".join(f"{n} {status}" for status, n in counts.items())
    for one in state["rounds"]:
        names = ", ".join(
            f"{t['name']} epoch {t['epoch']} (validation dice {t['valid_dice']:.4f})"
            for t in one["teachers"]
        )
        taken = [
            value
            for known in work.cases.values()
            if known.get("taken", {}).get("round") == one["number"]
            for value in known["taken"]["dice"].values()
        ]
        told = f"; corrected labels agree by dice {sum(taken) / len(taken):.4f}" if taken else ""
        yield f"  round {one['number']}   {names}{told}"
    for batch in state["batches"]:
        waiting = missing(batch)
        cases = len(batch["new"]) + len(batch["check"])
        told = f"waiting for {', '.join(waiting)}" if waiting else "all back"
        yield f"  {work.batch_folder(batch['number']).name} {cases} cases, {told}"
    for one in state["merges"]:
        yield f"  merged    {one['dataset']}: {one['cases']} cases, {len(one['corrected'])} corrected"
    yield f"  next      --step {next_step(work)}"
