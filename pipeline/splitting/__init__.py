"""Who is in train, valid, test, and in which fold."""
