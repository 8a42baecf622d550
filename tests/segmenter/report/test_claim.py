"""The items of CLAIM: what a run knows of each, and what is left to the author."""

import json

import pytest
from report_runs import MISSED, describe, evaluate
from small_sets import make_set, training_state

from pipeline.files import InputError, sha256, write_text
from segmenter.cli import main
from segmenter.configuration import Configuration
from segmenter.configuration.networks import EfficientUNetSettings
from segmenter.data.dataset import read_data_set
from segmenter.evaluation.cross_validation import pool_folds
from segmenter.evaluation.formatting import NONE
from segmenter.report.claim import claim_rows, claim_sentence
from segmenter.report.claim.items import ITEMS
from segmenter.report.results import read_results, read_run
from segmenter.runs import open_run, record_start, write_state
from segmenter.scoring import Masks, score_masks

OF_THE_EVALUATION = {28, 29, 30, 32, 37, 38, 39, 40}
OF_THE_TRAINING = {22, 23, 24, 25, 26, 27}
OF_THE_AUTHOR = {1, 2, 3, 4, 5, 6, 13, 15, 17, 18, 31, 33, 34, 41, 44}


def known(results):
    """What the run knows, by item."""
    return {number: text for number, _, text, _ in claim_rows(results) if text != NONE}


def change_summary(run, **values):
    path = run.evaluation("test") / "summary.json"
    write_text(path, json.dumps(json.loads(path.read_text()) | values))


def of_test(run):
    return read_results(read_data_set(run.folder.parents[1]), run, "test")


@pytest.fixture
def made(tmp_path):
    """A run on a data set that the pipeline made of 6 patients, which is marked as a phantom."""
    folder = make_set(tmp_path).root
    describe_made(folder, phantom=True)
    run = open_run(folder, "made")
    evaluate(run, read_data_set(folder), Configuration())
    return run


def describe_made(folder, **facts):
    path = folder / "dataset.json"
    write_text(path, json.dumps(json.loads(path.read_text()) | facts))


def test_the_checklist_has_all_items_of_the_2024_update_in_order():
    assert [item.number for item in ITEMS] == list(range(1, 45))
    assert len({item.subject for item in ITEMS}) == 44
    assert all(item.task for item in ITEMS)
    assert {item.number for item in ITEMS if item.fact is None} == OF_THE_AUTHOR
    assert {item.number for item in ITEMS if item.needs == "evaluation"} == OF_THE_EVALUATION
    assert {item.number for item in ITEMS if item.needs == "training"} == OF_THE_TRAINING


def test_a_made_data_set_fills_the_items_on_data(made):
    items, manifest = known(of_test(made)), made.data_folder / "manifest.csv"
    assert items[7].startswith("Synthetic images of a phantom, of no patient: ")
    assert items[7].endswith(f"; manifest.csv SHA-256 {sha256(manifest)}.")
    assert items[8] == "Included: malignant images with a drawn region."
    assert items[9] == (
        "Image and mask padded to a square and resized to 32 px (method for images: area), images stored as gray JPEG. Input of "
        "the network: 128 x 128 px, 1 channel, levels 0 to 1."
    )
    assert items[11] == "Not applicable: synthetic images."
    assert "drawing sound, polylines close): 12 drawn, 0 of them clipped" in items[14]
    assert items[19].startswith("Recipe: by patient, at random with seed 1, for train ")
    assert items[19].count(" patient") == 4
    assert items[20].startswith("Patients: none of 6 in more than one split.")
    assert items[35] == "Images named by files and annotations: 12; included: 6 patients, 12 images, 36 samples; excluded: none."
    assert "kind: CM (" in items[36]
    assert 16 not in items


def test_images_of_patients_are_cited_and_other_statements_appear_where_there_are_any(made):
    dropped = [{"reason": "no-region", "images": 2, "meaning": "nobody drew it"}]
    corrected = [{"file": "corrected.json", "sha256": "0" * 64, "annotator": "R. Reader", "date": "2026-11-20"}]
    describe_made(made.data_folder, phantom=False, keyed=True, dropped=dropped, annotators=corrected)
    items = known(of_test(made))
    assert items[7].startswith("Images of patients: ")
    assert "https://doi.org/10.7937/29kw-ae92" in items[7]
    assert items[8].endswith(" Excluded as no-region; item 35 has the numbers.")
    assert items[11] == "Names of sources are pseudonyms made with a secret key of the site."
    assert items[16] == "As annotation files state: corrected.json, R. Reader, 2026-11-20."
    assert items[35].endswith("; excluded: 2 no-region (nobody drew it).")
    describe_made(made.data_folder, keyed=False)
    assert 11 not in known(of_test(made)), "nobody recorded who removed the patients' names"


def test_a_run_fills_the_items_on_training_and_evaluation(run):
    results = of_test(run)
    items = known(results)
    assert "SlightlyFlexibleUNet" in items[22]
    assert "input 128 x 128 px, 1 channel" in items[22]
    assert "Python 3.11; " in items[23]
    assert items[24] == "All weights at random, with seed 1."
    assert items[25].startswith("Loss bce_dice_loss, optimizer Adam, learning rate 0.001, batches of 8, at most 50 epochs")
    assert items[25].endswith("; augmentation: none; seed 1; not finished yet.")
    write_state(run, training_state(12, best_epoch=2, wait=10))
    (run.folder / "last_epoch_0012.keras").touch()
    assert known(of_test(run))[25].endswith("; seed 1.")
    assert items[26].startswith("The epoch with the lowest val_loss, which is the loss on valid: 2 of 3. A pixel is lesion ")
    assert items[27] == "None: one model."
    assert "Dice; IoU; " in items[28]
    assert "over 5 patients: percentiles of 2,000 bootstrap draws of patients" in items[29]
    dice = results.metric("all", "dice")
    assert items[32].startswith(f"10 images of 5 patients of the same data set, split test: mean Dice {dice['mean']:.3f} (")
    assert items[37].startswith(f"Mean Dice {dice['mean']:.3f} ({dice['mean_low']:.3f} to {dice['mean_high']:.3f}); median Dice ")
    assert items[38].startswith("Detection rate (IoU > 0.1) 0.")
    assert items[39].startswith(f"Lowest Dice: {MISSED} (0.00), ")
    assert "; 1 of 8 lesions missed; " in items[39]
    assert items[40].startswith("Only 5 patients (10 images) in test")
    assert sha256(run.best_model) in items[43]


def test_settings_that_matter_are_named(run):
    network = EfficientUNetSettings(
        backbone="EfficientNetLite0", weights="imagenet", image_channels=3, generator=True, optimizer="AdamW"
    )
    configuration = Configuration.model_validate(
        {
            "model": network,
            "dataset": {"partner": True, "partner_dropout": 0.25, "crop": "breast"},
            "train": {"cosine_decay": True, "learning_rate_reducer": False, "warmup_epochs": 1},
            "augmentor": {"vflip": True, "rotation": True, "angle_range": [-15, 15], "probability": 0.3},
        }
    )
    record_start(run, configuration, {"data_identity": read_data_set(run.data_folder).identity})
    items = known(of_test(run))
    assert items[24] == "The encoder EfficientNetLite0 from ImageNet weights; all other weights at random, with seed 1."
    assert "; the rate falls along a cosine after 1 epoch of warm-up; " in items[25]
    assert "; augmentation: vflip, rotation, each with probability 0.3; " in items[25]
    assert "; other image of the view withheld from 25% of the samples; " in items[25]


def test_views_and_threshold_are_those_of_the_evaluation(folder, run):
    configuration = Configuration.model_validate({"infer": {"augmentation": "flips", "algorithm": "otsu"}})
    evaluate(run, read_data_set(folder), configuration)
    change_summary(run, threshold=None)
    record_start(run, Configuration(), {"data_identity": read_data_set(folder).identity})  # config.toml was edited since
    items = known(of_test(run))
    assert items[27] == "None: one model. Probabilities are averages over 4 flips of each image."
    assert "The threshold is found for each image (otsu)." in items[26]
    (run.evaluation("test") / "summary.json").unlink()
    record_start(run, configuration, {"data_identity": read_data_set(folder).identity})
    assert known(read_run(read_data_set(folder), run, "test"))[27].endswith("over 4 flips of each image.")


def test_the_views_of_a_cross_validation_are_those_of_its_folds(folder, pooled):
    configuration, data = Configuration.model_validate({"infer": {"augmentation": "turns"}}), read_data_set(folder)
    runs = [open_run(folder, f"tiny-fold{fold}") for fold in range(3)]
    for fold, run in enumerate(runs):
        evaluate(run, data.in_fold(fold), configuration)
    pool_folds(runs, pooled)
    assert known(of_test(pooled))[27].endswith(" held-out fold. Probabilities are averages over 8 turns and flips of each image.")


def test_only_test_images_test_the_model(folder, run):
    left = {number: text for number, _, _, text in claim_rows(of_test(run))}
    assert [left[number] for number in (32, 37, 38)] == [NONE] * 3
    for split in ("valid", "train"):
        run.evaluation("test").rename(run.evaluation(split))
        results = read_results(read_data_set(folder), run, split)
        rows = {number: row for number, *row in claim_rows(results)}
        assert rows[32][1:] == [NONE, "test on held-out data of the same source"]
        assert rows[37][2] == rows[38][2] == f"give those of test images; these are of {split}"
        assert rows[40][1].startswith(
            {"valid": "The epoch was chosen on these images", "train": "The model was trained on"}[split]
        )
        run.evaluation(split).rename(run.evaluation("test"))


@pytest.mark.parametrize(
    ("shared", "left"),
    [
        (0, NONE),
        (1, "test on patients that were not trained on"),
        (None, "state whether these patients were trained on"),
    ],
)
def test_patients_that_may_have_been_trained_on_do_not_complete_the_test(folder, run, shared, left):
    evaluate(run, read_data_set(folder), Configuration(), shared=shared)
    assert claim_rows(of_test(run))[31][3] == left


def test_what_another_program_did_is_left_to_the_author(made):
    data, other = read_data_set(made.data_folder), open_run(made.data_folder, "other")
    (made.data_folder / "audit.json").unlink(missing_ok=True)
    assert score_masks(other, data, Masks([made.evaluation("test") / "masks"]))
    left = {number: (known != NONE, text) for number, _, known, text in claim_rows(of_test(other))}
    assert left[9] == (True, "describe what the other program did to images")
    assert left[10] == (True, "state which part the other program used")
    assert left[12] == (True, "state what the other program did about them")
    assert left[19][1].endswith("replaces the recipe's; state which images the other program was trained on")
    assert left[20] == (True, "state which patients the other program was trained on")
    assert left[32] == (True, "state whether these patients were trained on")
    assert [claim_rows(of_test(made))[number - 1][3] for number in (9, 10, 12, 20)] == [NONE] * 4


def test_a_threshold_that_was_chosen_on_valid_is_reported_as_chosen(run):
    write_text(run.threshold_choice, json.dumps({"identity": {"model_sha256": "0"}, "threshold": 0.5, "dice": 0.75}))
    assert "It has the highest mean Dice" not in known(of_test(run))[26], "the choice is that of another model"
    choice = {"identity": {"model_sha256": sha256(run.best_model)}, "threshold": 0.5, "dice": 0.75}
    write_text(run.threshold_choice, json.dumps(choice))
    assert known(of_test(run))[26].endswith(" It has the highest mean Dice on valid, 0.7500.")


def test_a_run_that_is_not_evaluated_leaves_these_items_to_the_author(folder, run, capsys):
    (run.evaluation("test") / "summary.json").unlink()
    assert main(["report", str(folder), "--name", run.name]) == 2, "page and model card need an evaluation"
    assert "holds no evaluation" in capsys.readouterr().err
    results = read_run(read_data_set(folder), run, "test")
    items = known(results)
    assert not OF_THE_EVALUATION & items.keys()
    assert items.keys() >= OF_THE_TRAINING
    assert items[26] == "The epoch with the lowest val_loss, which is the loss on valid: 2 of 3."
    rows = claim_rows(results)
    assert rows[36] == (37, "Performance", NONE, "give each metric with its interval")
    assert main(["report", str(folder), "--name", run.name, "--claim"]) == 0
    assert capsys.readouterr().out == f"{run.folder / 'claim.md'}: written. {claim_sentence(rows)}\n"
    assert not (run.folder / "report.html").exists()
    lines = [line for line in (run.folder / "claim.md").read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + 44
    assert {line.count("|") for line in lines} == {5}


def test_a_checklist_needs_a_model_of_these_data(folder, run):
    (run.evaluation("test") / "summary.json").unlink()
    with (folder / "manifest.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="holds other data than tiny was trained on; train it again with another --name"):
        read_run(read_data_set(folder), run, "test")
    run.best_model.unlink()
    with pytest.raises(InputError, match="no run here has a model"):
        read_run(read_data_set(folder), run, "test")


def test_without_records_nothing_is_claimed(folder, run):
    for name in ("manifest.csv", "dataset.json"):
        (folder / name).unlink()
    evaluate(run, read_data_set(folder), Configuration())
    run.versions.unlink()
    items = known(of_test(run))
    assert not {7, 8, 9, 10, 11, 12, 14, 16, 35} & items.keys()
    assert not OF_THE_TRAINING & items.keys()
    assert items[19].startswith("train: 1 patient, 2 images, 2 samples; ")


def test_a_recipe_that_lacks_a_key_is_not_quoted(made):
    write_text(made.data_folder / "recipe.toml", 'title = "odd"\nname = "odd"\ndiffers = ""\n[image]\nsize_px = 32\n')
    items = known(of_test(made))
    assert not {8, 9, 10, 14} & items.keys()
    assert items[19].startswith("train: ")


def test_a_cross_validation_counts_folds(folder, pooled):
    write_text(folder / "audit.json", json.dumps({"manifest_sha256": sha256(folder / "manifest.csv"), "findings": []}))
    items = known(of_test(pooled))
    assert items[19] == "Cross-validation, each fold of the patients once as test. all folds: 7 patients, 14 images, 14 samples."
    assert items[20].startswith("Patients: none of 7 in more than one fold.")
    assert items[21] == "7 patients, 14 images, 14 samples, as the split left them."
    assert items[27] == "None: 3 models, each on its held-out fold."
    assert "each as a test image of its fold: mean Dice" in items[32]
    assert items[36].startswith("Images in all folds. class: malignant (12), normal (2); ")
    fold = known(of_test(open_run(folder, "tiny-fold1")))
    assert "audit" not in fold[20], "it is of the folder's splits"
    assert fold[19].startswith("Fold 1 of the patients is test, the next one valid, the others are train. train: ")


def test_the_audit_is_quoted(folder, run):
    write_text(folder / "audit.json", json.dumps({"manifest_sha256": sha256(folder / "manifest.csv"), "findings": []}))
    assert known(of_test(run))[20].endswith(
        " The audit of the data set found nothing: no patient or image in two splits, no duplicates, every mask clean."
    )


def test_a_patient_in_two_splits_is_stated(folder, run):
    path = folder / "manifest.csv"
    write_text(
        path, path.read_text().replace("P1_L_CM_CC,P1_L_CM_CC,original,test,0,P1", "P1_L_CM_CC,P1_L_CM_CC,original,test,0,P6")
    )
    describe(folder)
    evaluate(run, read_data_set(folder), Configuration())
    assert known(of_test(run))[20].startswith("Patients: 1 of 7 in more than one split.")
