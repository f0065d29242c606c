"""What each surface of a search says, read into one table."""
