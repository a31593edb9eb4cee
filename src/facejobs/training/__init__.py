"""What every engine shares: parameters, schedules, the loop, checkpoints, the journal."""
