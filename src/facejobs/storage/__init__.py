"""Where bytes live: paths and S3-compatible storage behind one small interface."""
