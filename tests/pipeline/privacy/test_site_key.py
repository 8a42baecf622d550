"""Keyed names: the same at one site, others at another, and short or misplaced keys refused."""

import re

import pytest

from pipeline.contract import parse_image
from pipeline.files import InputError
from pipeline.privacy.site_key import SiteKey, is_public, load_site_key

KEY, OTHER = SiteKey(b"0123456789abcdef"), SiteKey(b"fedcba9876543210")


def test_a_key_gives_the_same_name_each_time_and_another_key_another():
    assert KEY.patient("MRN 123") == KEY.patient("MRN 123") != OTHER.patient("MRN 123")
    assert KEY.patient("MRN 123") != KEY.patient("MRN 124")
    assert KEY.path("a/b.dcm") != KEY.path("b.dcm")
    assert KEY.token("path", "x") != KEY.token("exposure", "x")


def test_the_rest_of_the_program_reads_keyed_names():
    name = parse_image(f"{KEY.patient('MRN 123')}_L_CM_CC_{KEY.exposure('1.2.3')}")
    assert (name.patient, name.side, name.kind, name.view) == (KEY.patient("MRN 123"), "L", "CM", "CC")
    assert re.fullmatch(r"[0-9a-f]{20}\.dcm", KEY.path("SMITH^JANE/IM000001"))
    assert KEY.path("x/SMITH.PNG").endswith(".png")


def test_a_key_does_not_show_itself():
    assert "0123" not in repr(KEY)


@pytest.mark.parametrize(
    ("patient_id", "public"),
    [("P12", True), ("P0012", False), ("12345678", False), ("P123456", False), ("SMITH", False), ("", False)],
)
def test_only_the_form_of_public_sets_is_public(patient_id, public):
    assert is_public(patient_id) is public


def test_a_key_comes_from_a_file_or_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("CESM_SITE_KEY", raising=False)
    assert load_site_key(None, tmp_path / "out") is None
    monkeypatch.setenv("CESM_SITE_KEY", "0123456789abcdef\n")
    assert load_site_key(None, tmp_path / "out") == KEY
    (tmp_path / "key").write_text("fedcba9876543210")
    assert load_site_key(tmp_path / "key", tmp_path / "out") == OTHER, "a file takes precedence over the variable"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("key", "short", "holds a key of 5 bytes; expected 16 or more, such as `openssl rand -hex 32` prints"),
        ("out/key", "0123456789abcdef", "lies in the data set's folder, which may be passed on; keep the key elsewhere"),
        ("gone", None, "cannot be read as text"),
    ],
)
def test_an_unusable_key_is_refused(tmp_path, name, text, message):
    (tmp_path / "out").mkdir()
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        load_site_key(tmp_path / name, tmp_path / "out")
    assert message in str(error.value)
    assert "0123456789abcdef" not in str(error.value)
