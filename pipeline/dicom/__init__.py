"""Reads mammograms in DICOM: which image a file holds, and what a viewer shows of it.

`options` is the recipe's table, `parsing` turns bytes into a dataset that can be trusted, `streams` reads the size that coded
pixels claim, `lossless_jpeg`, `jpeg2000` and `rle` find damage that decoders pass over, `tag_rules` reads the tags, and `pixels`
decodes and maps to gray. Other packages call `pipeline.sources`; nothing here knows recipes, regions or folders.
"""
