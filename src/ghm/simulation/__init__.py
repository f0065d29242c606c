"""The simulator: one compiled kernel for whole paths, and its plain twin."""
