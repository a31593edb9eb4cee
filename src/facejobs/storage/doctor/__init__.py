"""Whether a place is fit for data and versions, tried check by check."""
