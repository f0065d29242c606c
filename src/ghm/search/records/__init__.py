"""What is kept of a search, and how it is read again."""
