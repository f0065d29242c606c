"""What a trial is, how its process is run, and how it ended."""
