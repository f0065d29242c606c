"""What a run leaves to be continued or read: checkpoints, stored policies, their directories."""
