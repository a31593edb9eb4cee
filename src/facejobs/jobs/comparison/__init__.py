"""What changed between versions of a job, what it did to the metrics, and how sure one can be."""
