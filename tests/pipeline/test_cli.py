"""The program: what it prints, how it ends, and that one clear line tells of bad input."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from inputs import small_download, small_recipe

from pipeline.cli import main
from pipeline.dataset.manifest import read_manifest
from pipeline.files import read_csv

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs/pipeline.md").read_text()


@pytest.fixture
def make(tmp_path):
    """Runs `dataset` on a small download with one worker; returns the exit status."""
    download = small_download(tmp_path / "raw")
    recipe = small_recipe(tmp_path / "small.toml")

    def run(*more, name="dataset", **settings):
        given = {"--raw": download.root, "--out": tmp_path / "set", "--recipe": recipe, "--workers": 1} | {
            f"--{key}": value for key, value in settings.items()
        }
        return main([name, *(str(part) for pair in given.items() for part in pair), *more])

    run.download, run.folder, run.recipe = download, tmp_path / "set", recipe
    return run


def test_dataset_makes_everything_and_says_so(make, capsys):
    assert make() == 0
    out = capsys.readouterr().out
    assert "12  source images named by files, table or regions" in out
    assert "12 = 12 kept + 0 left out + 0 rejected" in out
    assert "index: 12 of 12 files have the size of the annotated file" in out
    assert "variants: 12 source images, 36 samples, 12 regions drawn" in out
    assert "audit: no findings" in out
    pictures = {path.name for path in (make.folder / "stats").iterdir()}
    assert pictures == {
        "counts.png",
        "lesion_sizes.png",
        "strata.png",
        "contact_sheet_train.png",
        "contact_sheet_valid.png",
        "contact_sheet_test.png",
    }
    assert "No findings" in (make.folder / "README.md").read_text()


def test_again_it_finds_everything_done(make, capsys):
    make()
    before = {path: path.stat().st_mtime_ns for path in make.folder.rglob("*")}
    capsys.readouterr()
    assert make() == 0
    assert capsys.readouterr().out == f"dataset: everything is done: 12 images, 36 samples in {make.folder}\n"
    assert {path: path.stat().st_mtime_ns for path in make.folder.rglob("*")} == before, "no file is written again"


def test_stages_with_nothing_to_do_share_a_line(make, capsys):
    make()
    (make.folder / "stats/counts.png").unlink()
    capsys.readouterr()
    assert make() == 0
    first, stats, last = capsys.readouterr().out.splitlines()
    assert first == "index, split, variants, audit: up to date"
    assert stats.startswith("stats: 6 pictures in ")
    assert last == f"dataset: 12 images, 36 samples in {make.folder}; {make.folder / 'README.md'} describes them"


def test_findings_that_nobody_asked_for_are_printed_each_time(make, capsys):
    first, *others = sorted((make.download.root / "Low energy images").iterdir())
    for other in others:
        shutil.copyfile(first, other)
    for _ in range(2):
        assert make() == 1
        out = capsys.readouterr().out
        assert "audit: FINDING: " in out
        assert "not expected" in out
        assert out.splitlines()[-1].startswith("dataset: 12 images, 36 samples in ")


def contents(folder):
    """The bytes and times of everything below a folder; empty where there is no folder."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*")}


def test_a_dry_run_counts_what_would_be_made_and_writes_nothing(make, capsys):
    make.download.add("P9_L_DM_CC", file=False)
    make.download.write()
    assert make("--dry-run") == 0
    assert not make.folder.exists()
    out = capsys.readouterr().out
    assert "dry run: recipe small: a small set for tests" in out
    assert "12  kept, of 6 patients" in out
    assert "1  rejected: file-missing" in out
    planned = next(line for line in out.splitlines() if line.startswith("split: "))
    assert "dry run: 36 samples of 12 images to make, 0 samples of 0 images are there already" in out
    assert out.endswith(f"dry run: they would go to {make.folder}, a new folder; nothing has been written\n")
    assert make() == 0
    assert planned in capsys.readouterr().out, "the same assignment"


def test_a_dry_run_knows_what_is_there_already(make, capsys):
    make()
    next((make.folder / "train/masks").iterdir()).unlink()
    make.download.add("P9_L_DM_CC")
    make.download.write()
    before = contents(make.folder)
    capsys.readouterr()
    assert make("--dry-run") == 0
    assert "dry run: 6 samples of 2 images to make, 33 samples of 11 images are there already" in capsys.readouterr().out
    assert make("--dry-run", "--strict") == 0
    assert contents(make.folder) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "image.size_px=64"], "image.size_px is 32 there and 64 here"),
        (["--set", 'source.with_regions=["benign"]'], "was made by recipe 'small', not 'small'"),
        (["--set", "image.sise_px=64"], "[image] sise_px: unknown key"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(make, capsys, options, message):
    make()
    assert make("--dry-run", *options) == 2
    assert message in capsys.readouterr().err


def test_a_dry_run_that_would_keep_nothing_states_why(make, capsys):
    assert make("--dry-run", "--set", 'source.with_regions=["benign"]') == 2
    assert "none of the 12 source images: 12 class-not-wanted; the first: P1_L_CM_CC the recipe takes" in capsys.readouterr().err


def test_a_dry_run_is_strict_too(make, capsys):
    make.download.add("P9_L_DM_CC", file=False)
    make.download.write()
    assert make("--dry-run", "--strict") == 2
    assert "the first: P9_L_DM_CC, file-missing" in capsys.readouterr().err
    assert not make.folder.exists()


def test_percentages_are_of_what_is_split(make, capsys):
    make()
    assert "split: train 3 patients, 6 images (50.0%), 18 samples; valid 2 patients, 4 images (33.3%)" in capsys.readouterr().out
    make("--set", "split.by=sample", out=make.folder.parent / "by-sample")
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("split: "))
    shares = re.findall(r"(\d+) samples \((\S+)%\)", line)
    assert shares == [("18", "50.0"), ("9", "25.0"), ("9", "25.0")]
    assert line.count("%") == 3


def test_stage_by_stage(make, capsys):
    assert make(name="index") == 0
    for stage in ("split", "masks", "variants"):
        assert main([stage, str(make.folder)]) == 0
    assert len(read_manifest(make.folder / "manifest.csv")) == 36
    assert main(["audit", str(make.folder)]) == 0
    assert main(["stats", str(make.folder)]) == 0
    assert "audit: no findings" in capsys.readouterr().out


def test_strict_names_the_first_reject(make, capsys):
    make.download.add("P9_L_DM_CC", file=False)
    make.download.write()
    assert make() == 0
    assert make("--strict") == 2
    assert (
        "1 source images were rejected, and --strict accepts none; the first: P9_L_DM_CC, file-missing" in capsys.readouterr().err
    )


def test_what_a_recipe_leaves_out_is_no_failure_under_strict(make):
    make.download.add("P9_L_DM_CC", label="Benign")
    make.download.write()
    assert make("--strict") == 0
    assert [row["reason"] for row in read_csv(make.folder / "rejects.csv")] == ["class-not-wanted"]


def test_findings_that_the_recipe_asks_for_are_warnings(make, capsys):
    assert make(recipe="v2-published", out=make.folder.parent / "published") == 0
    out = capsys.readouterr().out
    assert "audit: warning: patient-in-splits: " in out
    assert "the recipe asks for it" in out
    assert main(["audit", "--json", str(make.folder.parent / "published")]) == 1


def test_index_and_split_as_json_are_one_object_with_the_counts(make, capsys):
    make.download.add("P9_L_DM_CC", file=False)
    make.download.write()
    for up_to_date in (False, True):
        assert make("--json", name="index") == 0
        counts = json.loads(capsys.readouterr().out)
        assert all(f"`{key}`" in DOCUMENTED for key in counts)
        expected = {"up_to_date": up_to_date, "kept": 12, "patients": 6, "rejected": {"file-missing": 1}, "left_out": {}}
        assert counts | expected | {"folder": str(make.folder), "named": 13} == counts
    assert make("--json", "--strict", name="index") == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["kept"] == 12
    assert "--strict accepts none" in captured.err
    for up_to_date in (False, True):
        assert main(["split", str(make.folder), "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert all(f"`{key}`" in DOCUMENTED for key in result)
        assert set(result) == {"folder", "up_to_date", "by", "splits", "assigned_now", "not_indexed"}
        assert (result["by"], result["up_to_date"], result["assigned_now"]) == ("patient", up_to_date, 0)
        assert result["splits"]["train"] == {"patients": 3, "images": 6, "samples": 18}
        assert list(result["splits"]) == ["train", "valid", "test"]


def test_audit_as_json_is_only_json(make, capsys):
    make()
    victim = next((make.folder / "train" / "masks").iterdir())
    victim.unlink()
    capsys.readouterr()
    assert main(["audit", "--json", str(make.folder)]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    told = {"code": "mask-missing", "count": 1, "meaning": "images without a mask"}
    assert finding == told | {"examples": [f"train/{victim.stem}"], "pairs": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["dataset", "--raw", "nowhere", "--out", "x"],
            "nowhere: no such folder; RAW names the folder with the CDD-CESM download",
        ),
        (["dataset", "--raw", ".", "--out", "x", "--recipe", "v9"], "no recipe 'v9'; known are"),
        (["split", "nowhere"], "nowhere: has no recipe.toml; run the stage 'index' first (make index)"),
        (["audit", "nowhere"], "nowhere: holds no train/images"),
        (["stats", "nowhere"], "nowhere: has no manifest.csv; run the stage 'variants' first"),
        (["sources", "nowhere"], "nowhere: no such folder"),
        (["phantom", "x", "--patients", "2"], "2 patients"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_set_changes_the_recipe_that_is_written_and_what_is_made(make, capsys):
    assert make("--set", "image.size_px=64", "--set", "title=larger") == 0
    text = (make.folder / "recipe.toml").read_text()
    assert "size_px = 64" in text
    assert 'title = "larger"' in text
    assert cv2.imread(str(next((make.folder / "train/images").iterdir()))).shape == (64, 64, 3)
    capsys.readouterr()
    assert make("--set", "image.size_px=64", "--set", "title=larger") == 0
    assert "everything is done" in capsys.readouterr().out
    assert make() == 2
    assert "image.size_px is 64 there and 32 here" in capsys.readouterr().err


def test_a_wrong_key_in_set_is_the_error_of_the_recipe(make, capsys):
    assert make("--set", "image.sise_px=64") == 2
    assert "}: [image] sise_px: unknown key; expected one of size_px, resize" in capsys.readouterr().err
    assert not make.folder.exists()


def test_a_check_reads_the_recipe_and_makes_nothing(make, capsys):
    command = ["--check", "dataset", "--raw", "nowhere", "--out", str(make.folder), "--recipe"]
    assert main([*command, "v2"]) == 0
    assert main([*command, "v3"]) == 2
    assert "no recipe 'v3'; known are full, v1, v2, v2-pairs, v2-published" in capsys.readouterr().err
    assert not make.folder.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--need-fold", "2"], ""),
        (["--need-folds", "3"], ""),
        (["--need-fold", "3"], "fold 3: recipe 'small' has the folds 0 to 2; give one of these"),
        (["--need-fold", "one"], "fold one: recipe 'small' has the folds 0 to 2; give one of these"),
        (["--need-folds", "5"], "5 folds: recipe 'small' has 3; leave the number out, or set [split] folds"),
        (["--need-fold", "4", "--set", "split.folds=5"], ""),
    ],
)
@pytest.mark.parametrize("check", [["--check"], []])
def test_folds_that_are_needed_next_are_checked_before_any_work(make, capsys, check, options, message):
    if message:
        command = [*check, "dataset", "--raw", "nowhere", "--out", str(make.folder), "--recipe", make.recipe]
        assert main([*command, *options]) == 2
        assert capsys.readouterr().err == f"error: {message}\n"
        assert not make.folder.exists()
    elif check:
        assert main([*check, "dataset", "--raw", "nowhere", "--out", "x", "--recipe", make.recipe, *options]) == 0


def test_a_folder_without_images_points_at_its_phantom(tmp_path, capsys):
    phantom = tmp_path / "phantom"
    phantom.mkdir()
    (phantom / "PHANTOM.txt").write_text("")
    assert main(["dataset", "--raw", str(tmp_path), "--out", str(tmp_path / "set")]) == 2
    assert capsys.readouterr().err == (
        f"error: RAW={tmp_path} holds no images; a phantom is there: give RAW={phantom}, as in `make train RAW={phantom}`\n"
    )


def test_a_missing_stage_names_the_sets_that_are_there(make, capsys):
    make()
    assert main(["split", str(make.folder.parent / "other")]) == 2
    assert "the data sets next to it are set" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["dataset", "--help"], ["audit", "--help"]])
def test_help_explains_and_imports_nothing_heavy(arguments):
    code = (
        "import sys; from pipeline.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'pandas', 'matplotlib.pyplot'} & set(sys.modules); sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: cesm-pipeline" in done.stdout


def test_an_unknown_option_is_bad_input(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["dataset", "--colour", "red"])
    assert stop.value.code == 2


def test_the_card_follows_what_changes_beside_the_manifest(make):
    make()
    card = make.folder / "README.md"
    assert "No findings" in card.read_text()
    next((make.folder / "train" / "images").iterdir()).unlink()
    make()
    assert "No findings" in card.read_text(), "a sample that is made again is the audited one"
    make.download.add("P9_L_DM_CC", file=False)
    make.download.write()
    make()
    assert "| `file-missing` | 1 |" in card.read_text(), "a new reject, and the same samples"
    assert "No findings" in card.read_text()
