"""Data set folders in; trained models, evaluations and predictions out."""
