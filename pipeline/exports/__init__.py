"""Exports: a complete data set in the formats that other programs read. Its own files are only read."""
