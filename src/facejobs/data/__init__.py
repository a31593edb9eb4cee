"""Face data: RecordIO files, labels, alignment, verification pairs, the input pipeline."""
