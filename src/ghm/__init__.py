"""Hyperparameter search for Monte Carlo policy gradient on the GHM equity management model."""
