"""Search methods: which hyperparameters a configuration has."""
