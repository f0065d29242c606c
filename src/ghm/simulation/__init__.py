"""The simulator: one compiled kernel for whole paths."""
