"""The job plane: specs, versions, comparison, backends. Knows nothing of training."""
