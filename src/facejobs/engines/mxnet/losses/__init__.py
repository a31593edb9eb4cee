"""Classification losses on normalised embeddings, one a file."""
