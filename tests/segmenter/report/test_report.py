"""Reports of runs whose predictions, and so each case, are known beforehand."""

import csv
import html.parser
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from report_runs import ALARM, CLEAN, MISSED, describe, evaluate

from pipeline.files import InputError, read_csv, sha256, write_text
from segmenter.cli import main
from segmenter.configuration import Configuration
from segmenter.data.dataset import read_data_set
from segmenter.evaluation.formatting import NONE
from segmenter.pictures import write_png
from segmenter.report import cases, contents
from segmenter.report.results import read_results
from segmenter.runs import open_run

SECTIONS = ["key", "data", "training", "metrics", "froc", "groups", "sizes", "cases", "images", "making", "claim"]


def report(run, *options):
    """Runs the command and returns the page and the model card as texts."""
    assert main(["report", str(run.folder.parents[1]), "--name", run.name, *options]) == 0
    return (run.folder / "report.html").read_text(), (run.folder / "model_card.md").read_text()


def results_of(run):
    return read_results(read_data_set(run.folder.parents[1]), run, "test")


def test_the_page_has_its_sections_and_the_metrics_of_the_tables(run):
    page, _ = report(run)
    assert re.findall(r'<h2 id="(\w+)"', page) == SECTIONS
    assert "<h1>Run tiny on set, split test</h1>" in page
    assert "Not a medical device; for research only." in page
    dices = [float(row["dice"]) for row in read_csv(run.evaluation("test") / "per_image.csv") if row["dice"]]
    assert len(dices) == 8
    assert f"<dt>mean Dice</dt><dd><strong>{np.mean(dices):.2f}</strong>" in page
    assert "<dt>images without lesion that stay clean</dt><dd><strong>50%</strong>" in page
    assert "8 with lesions, 2 without" in page
    assert sha256(run.best_model) in page
    assert sha256(run.folder.parents[1] / "manifest.csv") in page
    assert "Training over 3 epochs: in epoch 2, the best, loss 0.500 and on valid 0.600" in page
    assert "Free &lt;for all&gt;, but cite:" in page
    assert '<a href="https://doi.org/10.1/square"' in page


@pytest.mark.parametrize(
    ("phantom", "shared", "messages"),
    [
        pytest.param(False, 0, [], id="few patients alone"),
        pytest.param(True, 0, ["This is a phantom: synthetic images"], id="phantom"),
        pytest.param(False, 2, ["2 of the 5 patients of test are also in train"], id="leak"),
        pytest.param(False, None, ["It is unknown whether patients of test are also in train."], id="leak unknown"),
    ],
)
@pytest.mark.usefixtures("without_charts")
def test_warnings_are_at_the_top(folder, run, phantom, shared, messages):
    describe(folder, phantom=phantom)
    evaluate(run, read_data_set(folder), Configuration(), shared)
    page, card = report(run)
    top = page[: page.index("<main")]
    for message in [*messages, "Only 5 patients (10 images) in test: intervals are wide"]:
        assert message in top
        assert message in card
    assert top.count('class="warning"') == 1 + len(messages)


@pytest.mark.parametrize(("count", "warns"), [(4, True), (10, False), (None, False)])
@pytest.mark.usefixtures("without_charts")
def test_the_images_without_a_partner_are_in_the_headline_of_pairs(folder, run, count, warns):
    configuration = Configuration.model_validate({"model": {"image_channels": 3}, "dataset": {"partner": True}})
    evaluate(run, read_data_set(folder), configuration)
    path = run.evaluation("test") / "summary.json"
    write_text(path, json.dumps(json.loads(path.read_text()) | {"with_partner": count}))
    page, card = report(run)
    warning = f"Only {count} of 10 images had the other image of their view: these metrics are partly those of single images."
    assert (warning in page[: page.index("<main")], warning in card) == (warns, warns)
    assert (f"{count} of 10 images had both." in page) == (count is not None)


def test_cases_are_the_best_the_median_and_the_worst_by_dice(run):
    groups = cases.by_dice(results_of(run))
    names = {group: [case.caption.split(";")[0] for case in examples] for group, examples in groups.items()}
    assert names == {
        "Best": ["P1_R_DM_MLO", "P1_L_CM_CC", "P2_R_DM_MLO"],
        "Median": ["P3_R_DM_MLO", "P2_L_CM_CC"],
        "Worst": [MISSED, "P4_L_CM_CC", "P3_L_CM_CC"],
    }
    best, worst = groups["Best"][1], groups["Worst"][0]
    assert best.description == "Mammogram P1_L_CM_CC, subtracted, CC: 1 annotated lesion, 1 predicted, Dice 1.00"
    assert best.caption == "P1_L_CM_CC; malignant, subtracted, CC; Dice 1.00; HD95 0.0 px; 1 lesion of 144 px, largest large"
    square = "M0.5 0.5L0.5 11.5L11.5 11.5L11.5 0.5Z"
    assert best.contours == [("ground-truth", square, ""), ("prediction", square, "")]
    assert [kind for kind, *_ in worst.contours] == ["ground-truth"]
    assert "0 predicted, Dice 0.00" in worst.description


@pytest.mark.usefixtures("without_charts")
def test_missed_lesions_and_false_alarms_are_shown(run):
    results = results_of(run)
    assert [case.caption for case in cases.missed(results)] == [
        f"{MISSED}; missed: a large lesion of 144 px, IoU 0.00; 1 lesion in the image"
    ]
    (alarm,) = cases.false_alarms(results)
    assert alarm.caption == f"{ALARM}; normal, low energy, MLO; no lesion, predicted 24 px in 1 component"
    assert alarm.description == f"Mammogram {ALARM}, low energy, MLO: 0 annotated lesions, 1 predicted"
    page, _ = report(run)
    assert page.count('<figure class="case">') == 8 + 1 + 1


@pytest.mark.usefixtures("without_charts")
def test_a_large_image_is_shrunk_with_its_contours(run, folder, write_pair):
    image = np.zeros((1024, 1024), np.uint8)
    image[200:400, 200:400] = 255
    for name in [sample.name for sample in read_data_set(folder).split("test")]:
        write_pair(folder, "test", name, image, image)
    evaluate(run, read_data_set(folder), Configuration())
    best = cases.by_dice(results_of(run))["Best"][0]
    assert best.size_px == 512
    assert best.contours[0] == ("ground-truth", "M100.5 100.5L100.5 199.5L199.5 199.5L199.5 100.5Z", "")


@pytest.mark.usefixtures("without_charts")
def test_several_classes_are_drawn_in_their_colors(folder, run, write_pair):
    configuration = Configuration.model_validate({"model": {"num_classes": 3, "final_activation": "softmax"}})
    image, mask = np.full((32, 32), 40, np.uint8), np.zeros((32, 32), np.uint8)
    mask[2:8, 2:8], mask[20:28, 20:28] = 1, 2
    for sample in read_data_set(folder).split("test"):
        write_pair(folder, "test", sample.name, image, mask)
    evaluate(
        run,
        read_data_set(folder),
        configuration,
        predict=lambda sample, ground_truth: np.where(ground_truth == 2, 2, 0).astype(np.uint8),
    )
    results = results_of(run)
    best = cases.by_dice(results)["Best"][0]
    assert [(kind, color) for kind, _, color in best.contours] == [
        *[("ground-truth", "#00ff00"), ("ground-truth", "#ffffff")],
        ("prediction", "#ffffff"),
    ]
    rows = {row[0]: row[1] for row in contents.metric_rows(results)}
    assert (rows["Dice, benign"], rows["Dice, malignant"]) == ("0.000", "1.000")
    page, card = report(run)
    assert 'style="color: #00ff00"></span> benign' in page
    for text in (page, card):
        assert "A pixel belongs to its most probable class. Metrics, detection and FROC included, are of lesion of any" in text
        assert "only Dice, benign and Dice, malignant distinguish the classes." in text
    values = {name: value for value, name, _ in contents.key_metrics(results)}
    assert values["mean Dice, any class"] == "0.78"
    assert (values["mean Dice, benign"], values["mean Dice, malignant"]) == ("0.00", "1.00")
    assert "Dice 0.78 of any class (benign 0.00, malignant 1.00); HD95" in best.caption
    assert "Best by Dice, any class" in page
    assert "ground truth is green" not in page


def test_counts_are_next_to_their_metrics(run):
    results = results_of(run)
    notes = {name: more for _, name, more in contents.key_metrics(results)}
    detected = int(results.lesions["detected"].sum())
    assert notes["lesions found"].startswith(f"{detected} of 8 lesions; ")
    rows = {row[0]: row[1:5] for row in contents.strata_rows(results)}
    assert rows["kind CM"] == (5, 5, 4, 4)
    assert rows["class normal"] == (2, 1, 0, 0)
    page, _ = report(run)
    assert "share of the 8 lesions that a predicted component overlaps" in page
    assert "kind CM (4; 4)" in page
    assert re.search(r"; \d+% of the large lesions were found\.", page)


@pytest.mark.usefixtures("without_charts")
def test_dropped_images_and_audit_findings_are_listed_with_their_meaning(folder, run):
    describe(folder, dropped=[{"reason": "no-region", "images": 2, "meaning": "nobody drew it"}])
    finding = {"code": "patient-in-splits", "count": 3, "meaning": "patients in several splits"}
    write_text(folder / "audit.json", json.dumps({"manifest_sha256": sha256(folder / "manifest.csv"), "findings": [finding]}))
    page, card = report(run)
    assert contents.dropped_rows(results_of(run)) == [("no-region", 2, "nobody drew it")]
    assert "nobody drew it" in page
    for text in (page, card):
        assert "The audit of the data set found 3 patients in several splits (patient-in-splits)." in text
        assert "8 malignant, 2 normal" in text
        assert "fold" not in [row[0] for row in contents.version_rows(results_of(run))]
        assert "reported with cesm-segmentation" in text


def test_images_without_lesions_alone_have_no_curve_and_no_dice(folder, run, write_pair, draw_pair):
    for sample in read_data_set(folder).split("test"):
        write_pair(folder, "test", sample.name, draw_pair(0)[0], np.zeros((32, 32), np.uint8))
    evaluate(run, read_data_set(folder), Configuration())
    page, card = report(run)
    assert "This split has no lesions." in page
    assert "<dt>mean Dice</dt>" not in page
    assert "Clean images" in card


@pytest.mark.usefixtures("without_charts")
def test_without_healthy_breasts_the_report_says_that_nothing_is_known_about_them(folder, run, write_pair, draw_pair):
    for name in (CLEAN, ALARM):
        write_pair(folder, "test", name, *draw_pair(3))
    evaluate(run, read_data_set(folder), Configuration(), predict=lambda sample, ground_truth: ground_truth)
    page, card = report(run)
    assert "This split has no such images." in page
    assert "None: every lesion of this split was found." in page
    assert "nothing is known about false positives on healthy breasts" in card


def test_a_cross_validation_shows_its_folds_and_takes_masks_from_their_runs(folder, pooled, capsys):
    page, card = report(pooled)
    assert "3 folds of a cross-validation pooled" in page
    assert "Mean Dice by fold: fold 0" in page
    assert '<th scope="row">standard deviation</th>' in page
    assert all(sha256(open_run(folder, f"tiny-fold{fold}").best_model) in page for fold in range(3))
    assert "each held out once" in card
    assert len(cases.by_dice(results_of(pooled))["Best"][0].contours) == 2
    assert main(["report", str(folder), "--name", "tiny-cv", "--split", "valid"]) == 2
    assert "is a cross-validation, which has only the split test" in capsys.readouterr().err


def test_a_report_that_is_up_to_date_is_kept_and_reports_are_reproducible(folder, run, capsys):
    first = report(run)
    assert re.search(r"report\.html: written, \d+\.\d MB; model_card\.md and claim\.md next to it\n", capsys.readouterr().out)
    before = (run.folder / "report.html").stat().st_mtime_ns
    report(run)
    assert "was up to date" in capsys.readouterr().out
    assert (run.folder / "report.html").stat().st_mtime_ns == before
    for name in ("report.html", "model_card.md", "claim.md"):
        (run.folder / name).unlink()
    assert report(run) == first
    describe(folder, phantom=True)
    assert "This is a phantom" in report(run)[0]


def forget(run):
    (run.evaluation("test") / "summary.json").unlink()


def age(run):
    path = run.evaluation("test") / "summary.json"
    old = json.loads(path.read_text())
    write_text(path, json.dumps({"identity": old["identity"], "figures": old["metrics"]}))


def lose_identity(run):
    path = run.evaluation("test") / "summary.json"
    write_text(path, json.dumps(json.loads(path.read_text()) | {"identity": {}}))


def train_again(run):
    write_text(run.best_model, "a better one")


def lose_model(run):
    run.best_model.unlink()


def change_data(run):
    path = run.folder.parents[1] / "manifest.csv"
    write_text(path, path.read_text().replace("DM,MLO", "DM,CC", 1))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            forget,
            r"holds no evaluation \(no summary.json\); make it with `cesm-segmenter evaluate .*set --name tiny --split test`",
        ),
        (age, "was made by an earlier version; evaluate again with `cesm-segmenter evaluate"),
        (train_again, "best_model.keras: is not the model that was evaluated; evaluate it with `cesm-segmenter evaluate"),
        (lose_identity, "best_model.keras: is not the model that was evaluated; evaluate it with `cesm-segmenter evaluate"),
        (lose_model, "best_model.keras: is missing, although its evaluation exists; make both again with `cesm-segmenter"),
        (change_data, "set: holds other data than tiny was evaluated on; evaluate it again with `cesm-segmenter evaluate"),
    ],
)
def test_an_evaluation_that_does_not_fit_is_an_error_with_its_remedy(run, damage, message):
    damage(run)
    with pytest.raises(InputError, match=message):
        results_of(run)


def test_a_missing_cross_validation_is_named_with_its_command(folder):
    with pytest.raises(InputError, match=r"make it with `cesm-segmenter cv .*set --name tiny`"):
        read_results(read_data_set(folder), open_run(folder, "tiny-cv"), "test")


def test_a_mask_of_another_size_is_refused(run):
    write_png(run.evaluation("test") / "masks" / f"{MISSED}.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(
        InputError, match=f"{MISSED}.png: is 8 x 8 px, but its ground truth is 32 x 32 px; evaluate the run again"
    ):
        cases.by_dice(results_of(run))


@pytest.mark.usefixtures("without_charts")
def test_the_model_card_has_the_sections_of_model_cards_and_the_run_s_metrics(run):
    _, card = report(run)
    assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == [
        "Model details",
        "Intended use",
        "Factors",
        "Metrics",
        "Evaluation data",
        "Training data",
        "Quantitative analyses",
        "Limits",
        "Ethical considerations, caveats",
        "Licence and citations of the data",
    ]
    for text in ("Not a medical device", "Out of scope: any clinical use", "the best of 3 was epoch 2", "Free &lt;for all&gt;"):
        assert text in card
    tables = [block.splitlines() for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    assert all(len({line.count("|") for line in table}) == 1 for table in tables)


@pytest.mark.usefixtures("without_charts")
def test_a_folder_without_manifest_and_description_has_a_report(folder):
    for name in ("manifest.csv", "dataset.json"):
        (folder / name).unlink()
    run = open_run(folder, "bare")
    evaluate(run, read_data_set(folder), Configuration())
    page, _ = report(run)
    assert "The folder has no recipe, so how it was made is unknown." in page
    assert "The data set has no dataset.json, so its licence is unknown here" in page
    assert "The run's folder has no training tables." in page


def test_a_report_needs_no_tensorflow(run):
    program = "import sys; from segmenter.cli import main; main(sys.argv[1:]); assert 'tensorflow' not in sys.modules"
    command = [sys.executable, "-c", program, "report", str(run.folder.parents[1]), "--name", run.name]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.endswith("next to it\n")


@pytest.mark.usefixtures("without_charts")
def test_without_the_template_library_nothing_is_drawn(run, monkeypatch, capsys):
    report(run)
    (run.folder / "report.html").unlink()
    for name in ("jinja2", "markupsafe"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("segmenter.report.page.charts", None)
    assert main(["report", str(run.folder.parents[1]), "--name", run.name]) == 2
    assert "jinja2, which is needed to write reports, is not installed; run `pip install" in capsys.readouterr().err


def test_the_page_works_in_a_browser(run, browser):
    report(run)
    browser.open(run.folder / "report.html")
    assert browser.evaluate("[...document.images].filter(i => i.src).every(i => i.complete && i.naturalWidth > 0)")
    assert browser.evaluate("document.querySelectorAll('.case img').length") == 10
    visibility = "getComputedStyle(document.querySelector('.contour.ground-truth')).visibility"
    assert browser.evaluate(visibility) == "visible"
    browser.evaluate("document.querySelector('[data-contour=ground-truth]').focus()")
    browser.press("Space")
    assert browser.evaluate(visibility) == "hidden"
    browser.evaluate("scrollTo({top: 1e6, behavior: 'instant'})")
    bottom, top = (
        browser.evaluate(f"document.querySelector('{selector}').getBoundingClientRect().{edge}")
        for selector, edge in ((".tools", "bottom"), ("#making", "top"))
    )
    assert bottom <= top, "the switches end with the cases"
    for width in (320, 390, 1280):
        browser.emulate(width=width, dark=width == 390)
        browser.open(run.folder / "report.html")
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width} px"
    assert browser.errors == []


@pytest.mark.usefixtures("without_charts")
def test_the_table_of_all_images_sorts_and_filters_in_a_browser(run, browser):
    report(run)
    browser.open(run.folder / "report.html")
    column = "[...document.querySelectorAll('.sortable tbody tr')].filter(r => !r.hidden).map(r => r.cells[{}].textContent)"
    names = browser.evaluate(column.format(0))
    assert len(names) == 10
    assert names == sorted(names)
    button = "document.querySelectorAll('.sortable thead th')[{}].querySelector('button')"
    browser.evaluate(button.format(5) + ".focus()")
    browser.press("Enter")
    dices = browser.evaluate(column.format(5))
    assert dices == sorted((value for value in dices if value != NONE), key=float) + [NONE] * 2
    sort = "document.querySelectorAll('.sortable thead th')[5].getAttribute('aria-sort')"
    assert browser.evaluate(sort) == "ascending"
    browser.press("Enter")
    assert browser.evaluate(sort) == "descending"
    dices = browser.evaluate(column.format(5))
    assert dices == sorted((value for value in dices if value != NONE), key=float, reverse=True) + [NONE] * 2
    browser.evaluate(
        "{const i = document.querySelector('.filter input'); i.value = 'dm p3'; i.dispatchEvent(new Event('input')); null}"
    )
    assert browser.evaluate(column.format(0)) == ["P3_R_DM_MLO"]
    assert browser.evaluate("document.querySelector('.filter output').textContent") == "1 of 10 rows"
    assert browser.errors == []


LETTERS = """[...document.querySelectorAll('svg.chart text')].map(
    text => parseFloat(getComputedStyle(text).fontSize) * text.ownerSVGElement.getScreenCTM().a)"""


def test_charts_fit_a_phone_and_nothing_is_cut_off_in_print(run, browser):
    report(run)
    browser.emulate(width=320)
    browser.open(run.folder / "report.html")
    widths = "[...document.querySelectorAll('svg.chart')].map(c => c.getBoundingClientRect().right)"
    assert max(browser.evaluate(widths)) <= 320
    boxes = "[...document.querySelectorAll('figure.drawn')].every(f => f.scrollWidth <= f.clientWidth)"
    assert browser.evaluate(boxes), "a chart scrolls sideways"
    assert min(browser.evaluate(LETTERS)) >= 8, "pixels on the narrowest phone"
    browser.emulate(width=360)
    assert min(browser.evaluate(LETTERS)) >= 9
    browser.emulate(media="print")
    assert browser.evaluate("getComputedStyle(document.querySelector('.sortable .scroll')).maxHeight") == "none"
    assert browser.evaluate("getComputedStyle(document.querySelector('main p')).orphans") == "3"


@pytest.mark.usefixtures("without_charts")
def test_the_page_states_what_was_trained_when_and_where(run):
    rows = dict(contents.training_rows(results_of(run)))
    assert list(rows) == ["date", "device", "network", "input", "parameters", "training"]
    assert rows["date"] == rows["device"] == rows["parameters"] == "not recorded"
    facts = {"date": "2026-11-26T12:00:00+00:00", "device": "2 CPU cores", "parameters": 1940817}
    write_text(run.versions, json.dumps(json.loads(run.versions.read_text()) | facts))
    rows = dict(contents.training_rows(results_of(run)))
    assert (rows["date"], rows["device"], rows["parameters"]) == ("2026-11-26 12:00:00 UTC", "2 CPU cores", "1,940,817")
    assert (rows["network"], rows["input"]) == ("SlightlyFlexibleUNet", "128 x 128 px, 1 channel, levels 0 to 1")
    assert "loss bce_dice_loss" in rows["training"]
    assert "1,940,817" in report(run)[0]


@pytest.mark.usefixtures("without_charts")
def test_a_description_of_another_manifest_is_ignored(folder, run):
    describe(folder, phantom=True, manifest_sha256="0" * 64)
    assert "This is a phantom" not in report(run)[0]


HOSTILE = "<img src=x onerror=alert(1)>](javascript:alert(1))`x`|'\"><script>alert(1)</script>$\\frac{$"


class Elements(html.parser.HTMLParser):
    """The elements of a page with the names of their attributes, and all addresses."""

    def __init__(self, text):
        super().__init__()
        self.shapes, self.addresses, self.scripts = set(), set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.shapes |= {(tag, name) for name, _ in attrs} | {(tag, "")}
        self.addresses |= {
            value.split(",")[0] for name, value in attrs if name.endswith(("href", "src", "action")) and value[0] != "#"
        }
        self.scripts += tag == "script"


def markdown_elements(text):
    """Links, pictures, tags and the number of cells of each row that a card has."""
    plain = re.sub(r"\\.", "", text)
    return re.findall(r"\]\(|<(?!!--)[a-z/]", plain), {line.count("|") for line in plain.splitlines() if line.startswith("|")}


def test_names_and_texts_of_others_add_no_element_to_page_and_card(folder, run, tmp_path):
    page, card = report(run)
    plain, (links, cells) = Elements(page), markdown_elements(card)
    checklist = markdown_elements((run.folder / "claim.md").read_text())
    (tmp_path / "hostile").mkdir()
    hostile = folder.rename(tmp_path / "hostile" / HOSTILE.replace("/", "")[:80])
    rows = read_csv(hostile / "manifest.csv")
    for row in rows:
        row |= {"findings": HOSTILE, "birads": "4$5$2", "machine": HOSTILE, "density": HOSTILE}
        for column, suffix in (("image", "images"), ("mask", "masks")):
            name = f"{row['image_id']}{HOSTILE.replace('/', '')[:60]}"
            (hostile / row[column]).rename(hostile / row["split"] / suffix / f"{name}.png")
            row[column] = f"{row['split']}/{suffix}/{name}.png"
        row["sample"] = row["image_id"] = name
    with (hostile / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    describe(hostile, licence=HOSTILE, citations=[HOSTILE, "javascript:alert(1)"], title=HOSTILE, differs=HOSTILE)
    other = open_run(hostile, "tiny")
    evaluate(other, read_data_set(hostile), Configuration())
    page, card = report(other)
    parsed = Elements(page)
    assert parsed.shapes <= plain.shapes | {("p", "")}
    assert parsed.scripts == plain.scripts
    assert parsed.addresses <= plain.addresses | {"data:image/jpeg;base64"}
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert (links, cells) == markdown_elements(card)
    assert checklist == markdown_elements((other.folder / "claim.md").read_text())
    assert "&lt;img src=x onerror=alert(1)&gt;" in card
