"""What a search is asked to do: settings, search space, and the commands that say the same."""
