"""The data set folder: its files, the journal of what was written, samples, manifest and card."""
