"""The items of CLAIM, the checklist for papers on artificial intelligence in medical imaging, and what fills each of them.

Numbers and subjects are those of the 2024 update, worded by this project: A. S. Tejani et al., "Checklist for Artificial
Intelligence in Medical Imaging (CLAIM): 2024 Update", Radiology: Artificial Intelligence 6(4), e240300, 2024.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from segmenter.report.claim import data, evaluation, training
from segmenter.report.results import RunResults


@dataclass(frozen=True)
class Item:
    """One item of the checklist.

    Attributes:
      task: what the author writes where the run knows nothing.
      fact: what a run knows; empty where it knows nothing.
      needs: what there must be for it: the description of the data set, a training, an evaluation, or nothing.
      rest: what the author adds to the fact, or the function that returns it; empty where the fact is complete.
    """

    number: int
    subject: str
    task: str
    fact: Callable[[RunResults], str] | None = None
    needs: Literal["nothing", "data", "training", "evaluation"] = "nothing"
    rest: str | Callable[[RunResults], str] = ""

    def known(self, results: RunResults) -> str:
        """What the run knows; empty where it is all for the author."""
        is_there = {
            "nothing": True,
            "data": bool(results.description),
            "training": bool(results.versions),
            "evaluation": results.is_evaluated,
        }
        return self.fact(results) if self.fact and is_there[self.needs] else ""

    def left(self, results: RunResults) -> str:
        """What the author adds to what the run knows; empty where that is complete."""
        return self.rest if isinstance(self.rest, str) else self.rest(results)


def _of_another_program(task: str, rest: str = "") -> Callable[[RunResults], str]:
    """What the author adds: `rest`, and a task where the masks of another program were scored."""
    return lambda results: "; ".join(text for text in (rest, task if results.scored else "") if text)


ITEMS = (
    Item(1, "Title", "name the technique, such as deep learning, and the task"),
    Item(2, "Abstract", "summarise design, data, methods, results and conclusion, with numbers"),
    Item(3, "Background", "explain the clinical problem and the role that the method is meant for"),
    Item(4, "Aims", "state aims and hypotheses"),
    Item(5, "Time of collection", "state whether data were collected before the study was planned (retrospective) or after"),
    Item(6, "Kind of study", "state what the study is to show: feasibility, a model, a comparison"),
    Item(
        7,
        "Data sources",
        "name the data set, its version and source, and cite it",
        data.sources,
        "data",
        "describe the centre, the years and the selection of patients",
    ),
    Item(
        8,
        "Inclusion and exclusion",
        "state which images were taken, and why others were not",
        data.criteria,
        "data",
        "give the reasons for these criteria",
    ),
    Item(
        9,
        "Preprocessing",
        "describe each step from the source image to the network's input",
        data.preprocessing,
        "data",
        _of_another_program("describe what the other program did to images"),
    ),
    Item(
        10,
        "Subsets of the data",
        "state which part of the data or of each image was used",
        data.subsets,
        "data",
        _of_another_program("state which part the other program used"),
    ),
    Item(11, "De-identification", "state how patients' identities were removed, and by whom", data.privacy, "data"),
    Item(
        12,
        "Missing data",
        "state what was done about missing images and values",
        data.missing_data,
        "data",
        _of_another_program("state what the other program did about them"),
    ),
    Item(13, "Acquisition", "describe devices, contrast agent, protocol and the images' resolution"),
    Item(
        14,
        "Reference standard",
        "define what was drawn as lesion, and how",
        data.reference_standard,
        "data",
        "define what readers drew as lesion, and with which other findings",
    ),
    Item(15, "Choice of the reference standard", "explain why it was preferred to others, such as pathology"),
    Item(
        16,
        "Annotators",
        "state who drew the regions, their number and experience",
        data.annotators,
        "data",
        "state the annotators' experience and instructions",
    ),
    Item(
        17,
        "Annotation of the test set",
        "state how test images were annotated, with which program, and if differently from others",
    ),
    Item(18, "Variability of annotators", "give the agreement between and within readers; CDD-CESM has one drawing per image"),
    Item(
        19,
        "Assignment to splits",
        "state how splits were made, and their sizes",
        data.partition,
        "nothing",
        _of_another_program(
            "state which images the other program was trained on",
            "say so if you gave an assignment of your own, which replaces the recipe's",
        ),
    ),
    Item(
        20,
        "Level of disjoint splits",
        "state whether a patient's images may be in several splits",
        data.disjointness,
        "nothing",
        _of_another_program("state which patients the other program was trained on"),
    ),
    Item(
        21,
        "Planned size of the test set",
        "justify the number of patients",
        data.sample_size,
        "nothing",
        "justify this number",
    ),
    Item(22, "Network", "describe input, output, layers and size", training.network, "training"),
    Item(23, "Software", "list libraries and programs with their versions", training.software, "training"),
    Item(24, "Initial weights", "state how weights were set before training", training.initial_weights, "training"),
    Item(
        25,
        "Training",
        "describe loss, optimizer, schedule, augmentation and hyperparameters",
        training.training,
        "training",
        "state how these settings were found, and how many models were trained in all",
    ),
    Item(
        26,
        "Choice of the final model",
        "state by which metric on which images it was chosen",
        training.selection,
        "training",
        "state how this configuration was chosen among others",
    ),
    Item(27, "Ensembles", "describe how predictions of several models were combined", training.ensembles, "training"),
    Item(
        28,
        "Metrics",
        "name the metrics and the reason for each",
        evaluation.metrics,
        "evaluation",
        "give the reason for the main one",
    ),
    Item(
        29,
        "Uncertainty",
        "state how intervals and tests were made",
        evaluation.uncertainty,
        "evaluation",
        "for differences between runs use cesm-segmenter compare, and name the main comparison",
    ),
    Item(
        30,
        "Robustness",
        "show how results change with groups, settings or noise",
        evaluation.robustness,
        "evaluation",
        "report further analyses, such as other seeds",
    ),
    Item(31, "Explanations", "describe how predictions were explained, or state that they were not; this program does not"),
    Item(
        32,
        "Test on internal data",
        "test on held-out data of the same source",
        evaluation.internal_test,
        "evaluation",
        evaluation.not_held_out,
    ),
    Item(33, "Test on external data", "test on data of another centre, or state why not"),
    Item(34, "Registration", "give the registration of a clinical trial, if it is one"),
    Item(
        35,
        "Numbers included and excluded",
        "count images and patients at each step",
        data.numbers,
        "data",
        "draw a flow diagram",
    ),
    Item(
        36,
        "Characteristics of each split",
        "list age, sex, disease and device by split",
        data.characteristics,
        "nothing",
        "add age and other attributes that the data set lacks",
    ),
    Item(
        37,
        "Performance",
        "give each metric with its interval",
        evaluation.performance,
        "evaluation",
        evaluation.not_of_test,
    ),
    Item(
        38,
        "Diagnostic performance",
        "give rates of detection with their intervals",
        evaluation.detection,
        "evaluation",
        evaluation.not_of_test,
    ),
    Item(
        39,
        "Failures",
        "show and explain cases with wrong results",
        evaluation.failures,
        "evaluation",
        "explain the failures that matter clinically",
    ),
    Item(
        40, "Limitations", "discuss limits of data, method and test", evaluation.limits, "evaluation", "discuss these and others"
    ),
    Item(41, "Consequences for practice", "state the intended use, and what is lacking before it"),
    Item(
        42,
        "Protocol",
        "cite the protocol, or further technical details",
        training.protocol,
        "nothing",
        "state where these files are",
    ),
    Item(
        43,
        "Availability",
        "state where program, model and data can be had",
        training.availability,
        "nothing",
        "state where the program, the model and the data can be had, and under which licences",
    ),
    Item(44, "Funding", "name who paid for the study, and what part they had in it"),
)
