"""Source images and annotation files in, data set folders and a manifest out. Imports no TensorFlow."""
