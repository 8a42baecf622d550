"""Progress, as a log shows it."""

from pipeline.files import progress


def test_progress_in_a_log_is_plain_lines(capsys):
    assert list(progress(iter("abc"), 3, "masks")) == ["a", "b", "c"]
    assert capsys.readouterr().err == "masks: 3 of 3 images, done\n"
