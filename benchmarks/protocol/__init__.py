"""The benchmark's protocol: folds from the annotation table, the networks that enter, and how their results are pooled."""
