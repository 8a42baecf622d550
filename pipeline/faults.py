"""Why a source image cannot be used. Knows no format and no folder."""

MOST_PIXELS = 89_000_000  # Pillow warns from here on; no mammogram has so many


class SourceError(Exception):
    """One image cannot be used; `reason` is the code for rejects.csv, the words say what was found and what to do."""

    def __init__(self, reason: str, words: str):
        super().__init__(words)
        self.reason = reason
