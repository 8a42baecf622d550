"""Reads mammograms in DICOM: which of them is what image, and what a viewer shows of it.

`options` is what a recipe may say, `parsing` turns bytes into a dataset that can be trusted and `streams` reads what coded pixels
claim, `identity` reads the tags, `pixels` decodes and maps to grey. `pipeline.sources` is the door; nothing here knows recipes,
regions or folders.
"""
