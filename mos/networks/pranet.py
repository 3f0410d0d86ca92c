"""`pranet`: PraNet, a coarse answer corrected by reverse attention at three levels, on Res2Net, 2-D.

Fan et al. 2020, "PraNet: Parallel Reverse Attention Network for Polyp Segmentation" (MICCAI).

Kept: receptive-field blocks of 32 features on the three deepest of four stages, the partial
decoder, three reverse-attention branches from coarse to fine, and deep supervision of all four
answers alike.
Differs: any number of labels, reverse attention on the chance of the likeliest structure
(`mos.networks.partial_decoder` says why); a branch ends in a convolution without norm, as what it
adds are logits; the losses are the run's, not the paper's weighted IoU and cross-entropy;
Res2Net-50 is timm's with the plain 7 x 7 stem, the authors' has three 3 x 3 convolutions there
(`--encoder res2net50d` has them too).
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


def build(plan: Plan) -> nn.Module:
    """The network (bs, in_channels, h, w) -> logits (bs, label_count, h, w), any size.

    In train mode `Outputs` with the three coarser answers as auxiliary segmentations.
    """
    return PadToMultiple(PraNet(plan), (32, 32))


class PraNet(nn.Module):
    """For sizes that are multiples of 32."""

    def __init__(self, plan: Plan):
        super().__init__()
        layers = Layers.of(plan)
        self.encoder = Encoder(plan.encoder or _ENCODER, plan)
        stages = self.encoder.channels[1:]
        self.fields = nn.ModuleList(ReceptiveField(layers, ch, _CHANNELS) for ch in stages)
        self.decoder = PartialDecoder(layers, _CHANNELS, plan.label_count)
        self.branches = reverse_branches(layers, stages, plan.label_count)

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w); in train mode all four answers."""
        stages = self.encoder(image)[1:]
        fields = [field(stage) for field, stage in zip(self.fields, stages, strict=True)]
        answers = [self.decoder(*reversed(fields))]
        for branch, stage in zip(self.branches, reversed(stages), strict=True):
            answers.append(branch(stage, answers[-1]))
        size = image.shape[2:]
        logits = resize(answers.pop(), size)
        if not self.training:
            return logits
        return Outputs(logits, tuple(Auxiliary(1.0, resize(one, size)) for one in answers))
