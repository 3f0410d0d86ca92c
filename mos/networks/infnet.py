"""`infnet`: Inf-Net, PraNet's reverse attention guided by an edge branch, on Res2Net, 2-D.

Fan et al. 2020, "Inf-Net: Automatic COVID-19 Lung Infection Segmentation from CT Images" (IEEE
TMI).

Kept: the edge branch of 64 features on the finest stage, whose features every reverse-attention
branch sees beside its own; receptive-field blocks and partial decoder as in PraNet; deep
supervision of all four answers, and of the edge by cross-entropy (`mos.losses.edge`, from the
segmentation), all with weight 1.
Differs: as `pranet` does; the edge map has one channel for the edges of all labels, also between
structures that touch. The paper's semi-supervised training and its second network for several
lesions are no part of this one.
"""

from torch import Tensor, nn

from mos.networks.encoders import Encoder
from mos.networks.layers import Layers
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.partial_decoder import PartialDecoder, ReceptiveField, reverse_branches
from mos.networks.plan import Plan
from mos.networks.resize import resize

_ENCODER = "res2net50_26w_4s"
_CHANNELS = 32
_EDGE = 64


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size.

    In train mode `Outputs` with three coarser segmentations and the edges as auxiliary answers.
    """
    return PadToMultiple(InfNet(plan), (32, 32))


class InfNet(nn.Module):
    """For sizes that are multiples of 32."""

    def __init__(self, plan: Plan):
        super().__init__()
        layers = Layers.of(plan)
        self.encoder = Encoder(plan.encoder or _ENCODER, plan)
        finest, *stages = self.encoder.channels
        self.edge = nn.Sequential(
            layers.conv_norm(finest, _EDGE, 1),
            layers.conv_norm(_EDGE, _EDGE),
            layers.conv_norm(_EDGE, _EDGE),
        )
        self.edge_head = layers.conv(_EDGE, 1, bias=True)
        self.fields = nn.ModuleList(ReceptiveField(layers, ch, _CHANNELS) for ch in stages)
        self.decoder = PartialDecoder(layers, _CHANNELS, plan.label_count)
        self.branches = reverse_branches(layers, stages, plan.label_count, beside=_EDGE)

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode all four answers and the edge."""
        finest, *stages = self.encoder(image)
        edge = self.edge(finest)
        fields = [field(stage) for field, stage in zip(self.fields, stages, strict=True)]
        answers = [self.decoder(*reversed(fields))]
        for branch, stage in zip(self.branches, reversed(stages), strict=True):
            answers.append(branch(stage, answers[-1], edge))
        size = image.shape[2:]
        logits = resize(answers.pop(), size)
        if not self.training:
            return logits
        side = [Auxiliary(1.0, resize(one, size)) for one in answers]
        side.append(Auxiliary(1.0, resize(self.edge_head(edge), size), "edge"))
        return Outputs(logits, tuple(side))
