import pytest

from segmenter.configuration.published.reader import read_published


@pytest.fixture
def read(tmp_path):
    """Reads a published file with a text; [model] is added at its end if it is not there."""

    def reading(text: str, settings: dict | None = None):
        path = tmp_path / "train_eval_infer.config"
        path.write_text(text if "[mod" in text else f"{text}\n[model]\n")
        return read_published(path, settings)

    return reading
