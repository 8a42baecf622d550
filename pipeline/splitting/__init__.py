"""Assigns patients or samples to train, valid and test, and patients to folds."""
