"""Face detectors on MXNet: nets, loss and training step."""
