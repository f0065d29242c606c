"""Who runs trials: threads of this process, or any executor, on this host or others, with the same guarantees."""
