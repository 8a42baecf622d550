"""The page of a data set: its content, that it gives the same bytes twice, and that it shows pictures of leaks."""

import base64
import re
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest
from inputs import polygon, small_download, small_recipe

from pipeline.cli import main
from pipeline.contract import SPLITS
from pipeline.dataset.description import read_description, write_description
from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.manifest import read_manifest
from pipeline.files import read_csv
from pipeline.recipes import RECIPES
from pipeline.report import dataset_page


def make(root, recipe=None, change=lambda download: None):
    """Makes a small data set stage by stage, without audit and stats."""
    root.mkdir(exist_ok=True)
    download = small_download(root / "raw")
    change(download)
    raw, folder = download.write().root, DatasetFolder(root / "set")
    recipe = recipe or small_recipe(root / "small.toml")
    assert main(["index", "--raw", str(raw), "--out", str(folder.root), "--recipe", str(recipe), "--workers", "1"]) == 0
    assert main(["split", str(folder.root)]) == 0
    assert main(["masks", str(folder.root), "--workers", "1"]) == 0
    assert main(["variants", str(folder.root), "--workers", "1"]) == 0
    return folder


def report(folder):
    assert main(["report", str(folder.root)]) == 0
    return folder.report.read_text()


@pytest.fixture(scope="session")
def small_once(tmp_path_factory):
    """A small data set and its page, for tests that only read."""
    folder = make(tmp_path_factory.mktemp("small"))
    report(folder)
    return folder


@pytest.fixture(scope="session")
def leaking_once(tmp_path_factory):
    """A data set by the published rules, which split by sample, at 32 px and of three variants; and its page."""
    root = tmp_path_factory.mktemp("leaking")
    text = (RECIPES / "v2-published.toml").read_text()
    text, sizes = re.subn(r"size_px\s*=\s*512", "size_px = 32", text)
    assert sizes == 1
    (root / "leaking.toml").write_text(text)
    folder = make(root, root / "leaking.toml")
    report(folder)
    return folder


@pytest.fixture
def small(small_once, tmp_path):
    """A copy of it, to change."""
    return DatasetFolder(shutil.copytree(small_once.root, tmp_path / "small"))


@pytest.fixture
def leaking(leaking_once, tmp_path):
    """A copy of it, to change."""
    return DatasetFolder(shutil.copytree(leaking_once.root, tmp_path / "leaking"))


@pytest.fixture
def without_charts(monkeypatch):
    """For pages that are made again and whose charts no test inspects: drawing them takes most of the time."""
    monkeypatch.setattr(dataset_page, "chart", lambda *_: "")


def between(text, start, end):
    """The part of a page from one heading to another, without tags."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", text.split(f'<h2 id="{start}">')[1].split(f'<h2 id="{end}">')[0]))


def pictures(text):
    """Caption and pixels of each picture that can be enlarged."""
    matches = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)".*?<figcaption>([^<]*)</figcaption>', text, re.DOTALL)
    return [
        (caption, cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_GRAYSCALE))
        for data, caption in matches
    ]


def test_the_page_lists_what_was_read_what_was_dropped_and_what_is_there(tmp_path):
    folder = make(
        tmp_path, change=lambda download: (download.add("P9_L_DM_CC", file=False), download.add("P8_L_DM_CC", label="Benign"))
    )
    text = report(folder)
    assert "<title>a small set for tests</title>" in text
    assert "Not a medical device" in text
    assert "This is a phantom" not in text
    sources = between(text, "sources", "splits")
    assert "Of 14 source images that the files and annotations name, 12 are here." in sources
    assert "file-missing 1 annotated, but its file is missing" in sources
    assert "class-not-wanted 1 the recipe takes other classes" in sources
    assert re.search(r"train 3 6 18 .*valid .*test .*0 2 4 12 ", between(text, "splits", "lesions"))
    assert "No findings" in between(text, "audit", "recipe")
    assert folder.digest() in between(text, "recipe", "licence")
    assert "10.7937/29kw-ae92" in text
    assert [caption for caption, _ in pictures(text)] == ["train", "valid", "test"]


def spoil(download):
    """Damages the download so that images are dropped for several reasons, one of them after the index."""
    for number in (7, 8):
        download.add(f"P{number}_L_DM_CC", file=False)
    download.add("P9_L_DM_CC", label="Benign")
    download.add("P10_L_DM_CC", row=False)
    download.add("P11_L_DM_CC", [polygon((90, 90), (99, 90), (99, 99))])
    path = download.add("P12_L_DM_CC").with_suffix(".png")
    path.with_suffix(".jpg").unlink()
    data = bytearray(cv2.imencode(".png", download.pixels("P12_L_DM_CC"))[1].tobytes())
    data[60:90] = bytes(30)  # the header and the end are sound, the pixels are not
    path.write_bytes(bytes(data))


def test_each_reason_to_drop_an_image_is_in_the_table_with_its_count(tmp_path):
    folder = make(tmp_path, change=spoil)
    text = report(folder)
    (table,) = re.findall(r"<caption>Source images that were dropped, by reason</caption>(.*?)</table>", text, re.DOTALL)
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>(\d+)</td>', table)
    assert {reason: int(count) for reason, count in rows} == {
        "file-missing": 2,
        "class-not-wanted": 1,
        "not-in-table": 1,
        "region-outside-image": 1,
        "pixels-unreadable": 1,
    }
    assert {reason: int(count) for reason, count in rows} == Counter(row["reason"] for row in read_csv(folder.rejects))
    assert 'aria-label="Bars: dropped source images by reason: file-missing 2, ' in text
    assert "Of 18 source images that the files and annotations name, 12 are here." in between(text, "sources", "splits")


def test_no_path_of_the_machine_is_in_the_page(small_once):
    assert str(small_once.root.parent) not in small_once.report.read_text()


@pytest.mark.usefixtures("without_charts")
def test_a_phantom_is_marked(small):
    write_description(small.description, read_description(small.description) | {"phantom": True})
    assert "This is a phantom: synthetic images made by a program." in report(small)


def test_a_set_that_dropped_nothing_has_no_reasons(small_once):
    text = small_once.report.read_text()
    assert "Of 12 source images that the files and annotations name, 12 are here." in between(text, "sources", "splits")
    assert "by reason" not in text


def test_a_second_page_is_up_to_date_and_from_the_start_the_same_bytes(small, tmp_path, capsys):
    first = small.report.read_text()
    before = small.report.stat().st_mtime_ns
    report(small)
    size = len(first.encode()) / 1e6
    assert capsys.readouterr().out == f"report: up to date; {small.report}, {size:.1f} MB\n"
    assert small.report.stat().st_mtime_ns == before
    small.report.unlink()
    assert report(small) == first
    assert report(make(tmp_path / "again")) == first


@pytest.mark.usefixtures("without_charts")
def test_a_change_outside_the_manifest_is_in_the_page(small):
    dropped = [{"reason": "file-missing", "images": 1, "meaning": "annotated, but its file is missing"}]
    write_description(small.description, read_description(small.description) | {"dropped": dropped})
    assert "file-missing 1 annotated, but its file is missing" in between(report(small), "sources", "splits")


def test_what_leaks_is_shown_in_pairs_of_the_named_files(leaking_once):
    text = leaking_once.report.read_text()
    audit = leaking_once.read_state(leaking_once.audit)
    pairs = [pair for finding in audit["findings"] for pair in finding["pairs"]]
    assert {finding["code"] for finding in audit["findings"] if finding["pairs"]} == {
        "image-in-splits",
        "patient-in-splits",
        "duplicate-pixels",
    }
    shown = pictures(text)[3:]
    assert len(shown) == 2 * len(pairs)
    for (caption, pixels), path in zip(shown, [path for pair in pairs for path in pair], strict=True):
        split, _, name = path.split("/")
        assert caption == f"{split}: {name.removesuffix('.jpg')}"
        file = cv2.imread(str(leaking_once.root / path), cv2.IMREAD_GRAYSCALE)
        assert np.abs(pixels.astype(int) - file).mean() < 6, "the file's own picture, but for JPEG"
    assert all(first.split("/")[0] != second.split("/")[0] for first, second in pairs), "of two splits"
    section = between(text, "audit", "recipe")
    assert "source images whose variants are in several splits. The recipe asks for it" in section
    assert audit["findings"][0]["examples"][0] in section


def test_a_set_that_leaks_has_a_warning_at_the_top(leaking_once):
    text = leaking_once.report.read_text()
    top = text[: text.index('<h2 id="differs"')]
    findings = leaking_once.read_state(leaking_once.audit)["findings"]
    assert f"<strong>{len(findings)}</strong><small>all asked for by the recipe</small>" in top
    count = next(finding["count"] for finding in findings if finding["code"] == "patient-in-splits")
    assert "This data set leaks" in top
    assert f"{count} patients whose images are in several splits." in top
    shown = re.findall(r"Shown: 5 of (\d+)\.", between(text, "audit", "recipe"))
    assert shown == [str(finding["count"]) for finding in findings if finding["count"] > 5]


def test_a_split_by_sample_is_shown_by_what_each_split_holds_not_by_its_originals(leaking_once):
    text = leaking_once.report.read_text()
    rows = read_manifest(leaking_once.manifest)
    counts = [len({row["image_id"] for row in rows if row["split"] == split}) for split in SPLITS]
    assert sum(counts) > len({row["image_id"] for row in rows})
    assert "class: malignant {} {} {} ".format(*counts) in between(text, "splits", "lesions")
    assert [caption for caption, _ in pictures(text)][:3] == list(SPLITS)


@pytest.mark.usefixtures("without_charts")
def test_an_empty_split_has_a_text_in_place_of_pictures(small):
    small.manifest.write_text(small.manifest.read_text().replace(",test,", ",train,"))
    sheets = between(report(small), "sheets", "audit")
    assert "No image is in test." in sheets
    assert "No image is in train." not in sheets


def test_charts_describe_their_medians(small_once):
    text = small_once.report.read_text()
    description = re.search(r'aria-label="Histogram of lesion areas by split; medians in % of the square: ([^"]+)"', text)[1]
    medians = re.findall(r'<th scope="row">(\w+)</th>(?:<td>[^<]*</td>){4}<td>([^<]*)</td>', text)
    assert description == ", ".join(f"{split} {median}" for split, median in medians if split in SPLITS)
    assert "\N{MULTIPLICATION SIGN}" not in text, "no powers of ten on an axis"


@pytest.mark.usefixtures("without_charts")
def test_a_missing_leaking_file_is_reported(leaking):
    path = leaking.read_state(leaking.audit)["findings"][0]["pairs"][0][0]
    (leaking.root / path).unlink()
    leaking.report.unlink()
    split, _, name = path.split("/")
    assert f"{split}: {name.removesuffix('.jpg')}: the file is missing or cannot be read." in between(
        report(leaking), "audit", "recipe"
    )


@pytest.mark.usefixtures("without_charts")
def test_an_audit_without_pairs_is_run_again(leaking):
    old = leaking.read_state(leaking.audit)
    del old["schema"]
    for finding in old["findings"]:
        del finding["pairs"]
    leaking.write_state(leaking.audit, old)
    report(leaking)
    assert leaking.read_state(leaking.audit)["findings"][0]["pairs"]


def test_a_folder_without_samples_names_the_stage(tmp_path, capsys):
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: has no manifest.csv; run the stage 'variants' first (make variants)" in capsys.readouterr().err


def test_the_page_works_in_a_browser(leaking_once, browser):
    browser.open(leaking_once.report)
    assert browser.evaluate("[...document.images].filter(i => i.src).every(i => i.complete && i.naturalWidth > 0)")
    assert browser.evaluate("document.querySelectorAll('.pair .enlarge img').length") >= 6
    browser.evaluate("document.querySelector('.pair .enlarge').focus()")
    browser.press("Enter")
    assert browser.evaluate("document.getElementById('large').open")
    assert browser.evaluate("document.querySelector('#large img').src === document.querySelector('.pair img').src")
    browser.press("Escape")
    assert not browser.evaluate("document.getElementById('large').open")
    browser.emulate(width=360)
    letters = """[...document.querySelectorAll('svg.chart text')].map(
        text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a)"""
    assert min(browser.evaluate(letters)) >= 9, "pixels on a phone"
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    for width in (390, 320):
        browser.emulate(width=width)
        browser.open(leaking_once.report)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width} px"
    assert browser.errors == []


def test_names_and_texts_of_others_are_only_text_in_page_and_card(tmp_path):
    def plant(download):
        (download.root / "<img src=x onerror=alert(1)>](javascript:alert(1))|`x`.zip").write_bytes(b"PK\3\4")
        for row in download.rows:
            row |= {"Findings": "<script>alert(1)</script>|](javascript:alert(1))", "Machine": "<b>`|", "BIRADS": "4$5$2"}

    folder = make(tmp_path, change=plant)
    page, card = report(folder), folder.card.read_text()
    for text in (page, card):
        assert not re.search(r"<(img src=x|script>alert|b>)", text)
        assert "&lt;b&gt;" in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in card
    plain = re.sub(r"\\.", "", card)
    assert not re.search(r"\]\(javascript", plain)
    assert {line.count("|") for line in plain.split("## Groups")[1].splitlines() if line.startswith("|")} == {5, 4}
