"""The multi-task loss of a detector (Girshick, Fast R-CNN, ICCV 2015; landmarks as in RetinaFace)."""

from typing import Any

from mxnet.gluon import nn


class DetectionLoss(nn.HybridBlock):
    """Sums over the anchors of each image: not divided by anything, so that parts of a batch can be added."""

    def __init__(self, class_weight: float, box_weight: float, landmark_weight: float) -> None:
        super().__init__(prefix="")
        self._weights = class_weight, box_weight, landmark_weight

    def hybrid_forward(
        self,
        F: Any,  # noqa: N803
        logits: Any,
        counted: Any,
        labels: Any,
        boxes: Any,
        box_targets: Any,
        *landmark_arguments: Any,
    ) -> Any:
        """logits, counted, labels (N, A), boxes, box_targets (N, A, 4) -> (N,) weighted sum, then each term's sum.

        Binary cross-entropy where `counted` is 1, smooth L1 of boxes where the label is 1; with landmarks, their
        targets (N, A, 10) and a mask (N, A) following, smooth L1 of landmarks where the mask is 1.
        """
        faces = labels == 1
        entropy = F.Activation(logits, act_type="softrelu") - logits * faces
        terms = [
            F.sum(entropy * counted, axis=1),
            F.sum(F.sum(F.smooth_l1(boxes - box_targets, scalar=1.0), axis=2) * faces, axis=1),
        ]
        if landmark_arguments:
            landmarks, targets, mask = landmark_arguments
            terms.append(F.sum(F.sum(F.smooth_l1(landmarks - targets, scalar=1.0), axis=2) * mask, axis=1))
        total = sum(weight * term for weight, term in zip(self._weights, terms, strict=False))
        return [total, *(F.BlockGrad(term) for term in terms)]
