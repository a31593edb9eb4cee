"""The three nets of MTCNN (Zhang et al., 2016, arXiv:1604.02878).

ReLU stands for the paper's PReLU, and every dense layer is a convolution, so that each net takes images of its window's
size or larger ones and looks at every window of them.
"""

from typing import Any

from mxnet.gluon import nn

# Channels and kernel of each convolution; a number alone is the kernel of a max-pooling with stride 2.
_BODIES: dict[str, tuple[Any, ...]] = {
    "p-net": ((10, 3), 2, (16, 3), (32, 3)),
    "r-net": ((28, 3), 3, (48, 3), 3, (64, 2), (128, 2)),
    "o-net": ((32, 3), 3, (64, 3), 3, (64, 3), 2, (128, 2), (256, 2)),
}
STAGES = tuple(_BODIES)


class StageNet(nn.HybridBlock):
    """One net of the cascade: normalised images (N, 3, H, W) -> logits (N, A), boxes (N, A, 4), landmarks (N, A, 10)
    of the A windows of each, row by row; A is 1 for images of one window.
    """

    detector_name = "mtcnn"
    has_landmarks = True

    def __init__(self, stage: str, devices: int = 1) -> None:  # noqa: ARG002
        """`stage` is one of STAGES; there is no batch norm to join over `devices`."""
        super().__init__(prefix=f"{stage}_")
        self.backbone_name = stage
        with self.name_scope():
            self.body = nn.HybridSequential()
            for layer in _BODIES[stage]:
                if isinstance(layer, int):
                    self.body.add(nn.MaxPool2D(layer, strides=2))
                else:
                    self.body.add(nn.Conv2D(*layer, activation="relu"))
            self.classes = nn.Conv2D(1, 1)
            self.boxes = nn.Conv2D(4, 1)
            self.landmarks = nn.Conv2D(10, 1)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803
        features = self.body(x)
        logits, boxes, landmarks = (
            F.reshape(F.transpose(layer(features), (0, 2, 3, 1)), (0, -1, numbers))
            for layer, numbers in ((self.classes, 1), (self.boxes, 4), (self.landmarks, 10))
        )
        return F.reshape(logits, (0, -1)), boxes, landmarks


class StageLoss(nn.HybridBlock):
    """The losses of N windows, each times what it weighs: cross entropy, and squared errors of boxes and landmarks."""

    def hybrid_forward(
        self,
        F: Any,  # noqa: N803
        logits: Any,
        boxes: Any,
        landmarks: Any,
        faces: Any,
        box_targets: Any,
        landmark_targets: Any,
        weights: Any,
    ) -> Any:
        """logits (N, 1), boxes (N, 1, 4), landmarks (N, 1, 10), faces (N,) 0 or 1, targets (N, 4) and (N, 10),
        weights (N, 3) of class, box and landmarks -> weighted class, box and landmark losses (N,) each.
        """
        logits = F.reshape(logits, (-1,))
        # log(1 + e^x) - x * face, without overflow.
        entropy = F.relu(logits) - logits * faces + F.Activation(-F.abs(logits), act_type="softrelu")
        box = F.mean(F.square(F.reshape(boxes, (-1, 4)) - box_targets), axis=1)
        landmark = F.mean(F.square(F.reshape(landmarks, (-1, 10)) - landmark_targets), axis=1)
        weighted = (F.slice_axis(weights, axis=1, begin=number, end=number + 1) for number in range(3))
        return [
            F.reshape(weight, (-1,)) * loss for weight, loss in zip(weighted, (entropy, box, landmark), strict=True)
        ]
