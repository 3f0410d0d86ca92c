"""Networks that torchvision has."""

from torch import Tensor, nn
from torchvision.models.segmentation import fcn_resnet50, fcn_resnet101

from mos.errors import BadInput
from mos.networks.encoders import IMAGENET_MEAN, IMAGENET_STD, Standardise
from mos.networks.norms import replace_norms
from mos.networks.outputs import Auxiliary, Outputs
from mos.networks.padding import PadToMultiple
from mos.networks.plan import Plan
from mos.networks.resize import resize

_FCN = {"resnet50": fcn_resnet50, "resnet101": fcn_resnet101}


class Fcn(nn.Module):
    """torchvision's FCN, its backbone under the name `encoder`; in training the auxiliary head answers too."""

    def __init__(self, plan: Plan, name: str):
        super().__init__()
        made = _FCN[name](
            weights=None, weights_backbone=None, num_classes=plan.label_count, aux_loss=True
        )
        replace_norms(made, plan.norm)
        if plan.in_channels != 3:
            made.backbone.conv1 = nn.Conv2d(plan.in_channels, 64, 7, 2, 3, bias=False)
            nn.init.kaiming_normal_(made.backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.standardise = Standardise(plan.in_channels, IMAGENET_MEAN, IMAGENET_STD)
        self.encoder = made.backbone
        self.classifier = made.classifier
        self.aux_classifier = made.aux_classifier

    def forward(self, image: Tensor) -> Tensor | Outputs:
        """(bs, in_channels, h, w) -> (bs, label_count, h, w)."""
        features = self.encoder(self.standardise(image))
        logits = resize(self.classifier(features["out"]), image.shape[2:])
        if not self.training:
            return logits
        other = resize(self.aux_classifier(features["aux"]), image.shape[2:])
        return Outputs(logits, (Auxiliary(0.5, other),))


def fcn(plan: Plan) -> nn.Module:
    """FCN on a ResNet of output stride 8."""
    name = plan.encoder or "resnet50"
    if name not in _FCN:
        raise BadInput(f"--encoder {name}: torchvision has fcn with {' and '.join(_FCN)}; give one")
    return PadToMultiple(Fcn(plan, name), (8, 8))
