"""Data set folders as samples, pairs of arrays and `tf.data`."""
