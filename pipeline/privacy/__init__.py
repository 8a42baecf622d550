"""Keyed names in place of identifiers, and the search for identifiers that remain in a data set."""
