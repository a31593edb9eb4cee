"""The input pipeline of detector training: photographs cropped at random, and what every anchor is to find in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facejobs.data.batch_decoding import DecodeStretch, ImageKey, UnreadableImage
from facejobs.data.detection.anchors import AnchorLayout
from facejobs.data.detection.box_coding import encode_boxes, encode_landmarks
from facejobs.data.detection.detection_split import DetectionSplit
from facejobs.data.detection.faces import LabelledImage
from facejobs.data.detection.matching import MatchingRule, match
from facejobs.data.detection.photo_augmentation import CroppedFaces, PhotoAugmentation, PhotoDraws, crop_photograph
from facejobs.data.detection.photographs import EncodedPhotograph, open_photograph
from facejobs.data.epoch_order import EpochOrder
from facejobs.data.errors import DataError
from facejobs.data.prefetched_batches import PrefetchedBatches


@dataclass
class DetectionBatch:
    """One training batch of N images of S x S pixels with A anchors each.

    Its arrays are reused: they are valid until the next batch is asked for.
    """

    step: int
    epoch: int
    images: NDArray[np.uint8]
    """(N, S, S, 3) RGB."""
    labels: NDArray[np.float32]
    """(N, A): 1 face, 0 background, -1 left out of the loss."""
    box_targets: NDArray[np.float32]
    """(N, A, 4) as of `encode_boxes` where the label is 1, else 0."""
    landmark_targets: NDArray[np.float32]
    """(N, A, 10) as of `encode_landmarks` where the mask is 1, else 0."""
    landmark_mask: NDArray[np.float32]
    """(N, A): 1 where the label is 1 and all landmarks of the face are known, else 0."""
    gain: NDArray[np.float32]
    """(N, 3) colour jitter; the network's input is (images - 127.5) / 128 * gain + bias."""
    bias: NDArray[np.float32]
    names: list[str]
    """The paths of the photographs in the split's folder of images."""


class DetectionBatches(PrefetchedBatches[DetectionBatch]):
    """Endless batches of random crops of photographs."""

    def __init__(
        self,
        split: DetectionSplit,
        batch_size: int,
        seed: int,
        augmentation: PhotoAugmentation,
        layout: AnchorLayout,
        image_sizes: tuple[int, ...],
        threads: int,
        slots: range | None = None,
        rule: MatchingRule | None = None,
        prefetch: int = 2,
    ) -> None:
        """Prepare batches of `batch_size` images of `split`, `prefetch` of them ahead of use.

        The images of a step have one of `image_sizes` as width and height. Of several workers, each names the `slots`
        that are its part of every batch: it decodes and yields those only. `seed` is 0..2**64-1. Raises DataError if
        there are fewer images than a batch holds.
        """
        if not image_sizes or any(size < 1 or size % layout.multiple for size in image_sizes):
            raise ValueError(f"image sizes {image_sizes}: each must be a multiple of {layout.multiple}")
        slots = range(batch_size) if slots is None else slots
        source = _PhotographSource(
            split, batch_size, seed, slots, augmentation, layout, image_sizes, rule or MatchingRule()
        )
        super().__init__(source, threads, prefetch)


class _PhotographSource:
    """Batches of a split."""

    shortest_stretch = 1

    def __init__(
        self,
        split: DetectionSplit,
        batch_size: int,
        seed: int,
        slots: range,
        augmentation: PhotoAugmentation,
        layout: AnchorLayout,
        image_sizes: tuple[int, ...],
        rule: MatchingRule,
    ) -> None:
        self.path = split.folder
        self.folder = split.folder
        self.batch_size = batch_size
        self.seed = seed
        self.slots = slots
        self.split = split
        self.augmentation = augmentation
        self.layout = layout
        self.rule = rule
        self._image_sizes = image_sizes
        self._order = EpochOrder(len(split), seed)

    def __len__(self) -> int:
        return len(self.split)

    def empty_batch(self) -> DetectionBatch:
        return _empty_batch(len(self.slots), max(self._image_sizes), self.layout)

    def plan(self, step: int, batch: DetectionBatch) -> DecodeStretch:
        draws = self.augmentation.draw(self.seed, step, self.batch_size, self._image_sizes)
        if batch.images.shape[1] != draws.size:
            vars(batch).update(vars(_empty_batch(len(self.slots), draws.size, self.layout)))
        batch.step = step
        batch.epoch, positions = self._order.batch(step, self.batch_size)
        here = slice(self.slots.start, self.slots.stop)
        batch.gain[:] = draws.gain[here]
        batch.bias[:] = draws.bias[here]
        images = [self.split.images[position] for position in positions[here]]
        batch.names[:] = [image.path for image in images]
        return _PlannedPhotographs(self, batch, images, draws).decode

    def copy_image(self, batch: DetectionBatch, slot: int, destination: int) -> None:
        for part in (batch.images, batch.labels, batch.box_targets, batch.landmark_targets, batch.landmark_mask):
            part[destination] = part[slot]
        batch.names[destination] = batch.names[slot]

    def describe(self, key: ImageKey) -> str:
        return str(key)


def _empty_batch(count: int, size: int, layout: AnchorLayout) -> DetectionBatch:
    anchors = layout.count(size, size)
    return DetectionBatch(
        step=-1,
        epoch=-1,
        images=np.zeros((count, size, size, 3), np.uint8),
        labels=np.zeros((count, anchors), np.float32),
        box_targets=np.zeros((count, anchors, 4), np.float32),
        landmark_targets=np.zeros((count, anchors, 10), np.float32),
        landmark_mask=np.zeros((count, anchors), np.float32),
        gain=np.ones((count, 3), np.float32),
        bias=np.zeros((count, 3), np.float32),
        names=[""] * count,
    )


class _PlannedPhotographs:
    """What a batch is to hold."""

    def __init__(
        self, source: _PhotographSource, batch: DetectionBatch, images: list[LabelledImage], draws: PhotoDraws
    ) -> None:
        self._source = source
        self._batch = batch
        self._images = images
        self._draws = draws

    def decode(self, slots: range) -> list[UnreadableImage]:
        """Fill `slots` of the batch, noting the images that cannot be read."""
        unreadable = []
        for slot in slots:
            image = self._images[slot]
            path = self._source.split.path_of(image)
            try:
                self._fill_slot(slot, image, open_photograph(path))
            except DataError as error:
                unreadable.append(UnreadableImage(slot, image.path, str(error).removeprefix(f"{path}: ")))
            except Exception as error:
                error.add_note(f"while reading or cropping {path}")
                raise
        return unreadable

    def _fill_slot(self, slot: int, image: LabelledImage, photograph: EncodedPhotograph) -> None:
        augmentation, draws = self._source.augmentation, self._draws
        number = self._source.slots.start + slot
        crop = augmentation.crop(photograph.height, photograph.width, image, draws, number)
        reduction = next(factor for factor in photograph.reductions() if crop.shrinks_by(factor))
        crop = crop.of_blocks(reduction)
        crop_photograph(photograph.decode(reduction), crop.in_reduced(reduction), self._batch.images[slot])
        self._set_targets(slot, augmentation.crop_faces(image, crop, draws.size))

    def _set_targets(self, slot: int, faces: CroppedFaces) -> None:
        batch, layout, size = self._batch, self._source.layout, self._draws.size
        matching = match(layout, size, size, faces.boxes, faces.ignored, self._source.rule)
        batch.labels[slot] = matching.labels
        for part in (batch.box_targets, batch.landmark_targets, batch.landmark_mask):
            part[slot] = 0
        found = np.flatnonzero(matching.faces >= 0)
        face = matching.faces[found]
        anchors = layout.boxes(size, size)[found]
        batch.box_targets[slot, found] = encode_boxes(faces.boxes[face], anchors, layout.variances)
        known = ~np.isnan(faces.landmarks[face]).any(axis=(1, 2))
        found, face, anchors = found[known], face[known], anchors[known]
        batch.landmark_targets[slot, found] = encode_landmarks(faces.landmarks[face], anchors, layout.variances)
        batch.landmark_mask[slot, found] = 1
