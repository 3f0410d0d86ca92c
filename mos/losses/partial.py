"""The three ways to train with labels that some samples annotate and others do not, and to predict after.

What each takes a voxel without a label for, in a sample that annotates only some of what is learnt:

    marginal   background or any label the sample does not annotate   mos/losses/marginal.py
    mask       not one of the annotated labels; of others nothing     mos/losses/mask.py
    ignore     anything: it is left out                               mos/losses/ignore.py
"""

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor

from mos.losses.dice_ce import dice_ce_samples
from mos.losses.ignore import ignore_samples
from mos.losses.marginal import Annotated, marginal_probabilities
from mos.losses.mask import mask_probabilities, mask_samples

PartialLabels = Literal["marginal", "mask", "ignore"]

# logits, segment, annotated, learnt -> `dice_loss` and `ce_loss`, (bs,) each.
LOSSES: dict[str, Callable[[Tensor, Tensor, Annotated, Sequence[int]], dict[str, Tensor]]] = {
    "marginal": lambda logits, segment, annotated, learnt: dice_ce_samples(
        logits, segment, annotated
    ),
    "mask": lambda logits, segment, annotated, learnt: mask_samples(logits, segment, annotated),
    "ignore": ignore_samples,
}

# logits (bs, label_count, ...), learnt -> probabilities of the same shape, sum 1 over labels.
PROBABILITIES: dict[str, Callable[[Tensor, Sequence[int]], Tensor]] = {
    "marginal": marginal_probabilities,
    "mask": mask_probabilities,
    "ignore": marginal_probabilities,
}
