"""The journal: its file stays as earlier versions wrote it, and an interruption costs one line at most."""

import pytest

from pipeline.dataset.journal import Journal, JournalEntry, Stamp

# As written by the first version; a data set on disk must not be remade.
LINE = (
    '{"image_id":"P1_L_DM_CC","key":"k1","reject":null,"counts":{"drawn":1,"lesion_px":7},'
    '"square":{"mask":{"path":"squares/masks/P1_L_DM_CC.png","size":3,"mtime_ns":4,"sha256":"aa"}},'
    '"samples":{"original":{"image":{"path":"train/images/P1_L_DM_CC.jpg","size":1,"mtime_ns":2,"sha256":"bb"}}}}'
)
ENTRY = JournalEntry(
    "P1_L_DM_CC",
    "k1",
    counts={"drawn": 1, "lesion_px": 7},
    square={"mask": Stamp("squares/masks/P1_L_DM_CC.png", 3, 4, "aa")},
    samples={"original": {"image": Stamp("train/images/P1_L_DM_CC.jpg", 1, 2, "bb")}},
)
REJECT = JournalEntry("P2_L_DM_CC", "k2@5", reject=("pixels-unreadable", "P2_L_DM_CC.jpg cannot be decoded"))


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "deep" / "made.jsonl", JournalEntry)


def test_a_line_keeps_its_form():
    assert ENTRY.to_json() == LINE[:-1] + ',"band_share":null}'  # which later versions added
    assert JournalEntry.from_json(LINE) == ENTRY
    assert JournalEntry.from_json(REJECT.to_json()) == REJECT


def test_entries_come_back_and_a_later_one_replaces_an_earlier_one(journal):
    assert journal.read() == {}
    newer = JournalEntry("P1_L_DM_CC", "k3")
    with journal.appending() as append:
        append(ENTRY)
        append(REJECT)
        assert journal.path.read_text().count("\n") == 2, "an entry is in the file before the next one is begun"
        append(newer)
    assert journal.read() == {"P1_L_DM_CC": newer, "P2_L_DM_CC": REJECT}
    journal.write([newer, REJECT])
    assert journal.path.read_text() == newer.to_json() + "\n" + REJECT.to_json() + "\n"


def test_half_a_line_is_skipped_and_ended(journal):
    journal.write([ENTRY])
    with journal.path.open("a") as file:
        file.write('{"image_id": "P9')
    assert journal.read() == {"P1_L_DM_CC": ENTRY}
    with journal.appending() as append:
        append(REJECT)
    assert journal.read() == {"P1_L_DM_CC": ENTRY, "P2_L_DM_CC": REJECT}


def test_what_the_file_holds_already_is_not_written_again(journal):
    with journal.appending() as append:
        append(ENTRY)
        append(REJECT)
    before = journal.path.stat()
    for one in (journal, Journal(journal.path, JournalEntry)):
        one.write([ENTRY, REJECT])
    assert (journal.path.stat().st_ino, journal.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    journal.write([REJECT, ENTRY])
    assert journal.path.read_text() == REJECT.to_json() + "\n" + ENTRY.to_json() + "\n"


def test_an_interrupted_run_and_another_program_are_noticed(journal):
    def stop():
        with journal.appending() as append:
            append(ENTRY)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert journal.read() == {"P1_L_DM_CC": ENTRY}
    Journal(journal.path, JournalEntry).write([REJECT])
    assert journal.read() == {"P2_L_DM_CC": REJECT}
