"""Photographs with labelled faces: label files, anchors, augmentation and batches for detectors."""
