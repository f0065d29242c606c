"""Training: settings, estimators, trainer, checkpoints, records."""
