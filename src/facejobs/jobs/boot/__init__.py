"""What `run_train.sh` runs in every image: fetch, train, upload while training, verify, and say how it ended."""
