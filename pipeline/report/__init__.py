"""Charts, contact sheets, and the page of a data set."""
