"""What a recorded search says: frames, findings, importance, the best policy."""
