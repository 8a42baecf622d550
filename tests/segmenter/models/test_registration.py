import subprocess
import sys

import keras
import pytest

from segmenter.configuration.networks import SharpUNetSettings
from segmenter.models import build_model, register_layers
from segmenter.models.saved_models import save_for_prediction

LAYERS = ("LearnedPositions", "PresenceGate", "Sharpen", "StandardizedConv2D", "Supervised", "WindowAttention")


def test_keras_names_the_module_to_import_and_opens_the_model_after_that(tmp_path):
    settings = SharpUNetSettings(image_width=16, image_height=16, base_filters=2, num_layers=2)
    save_for_prediction(build_model(settings), tmp_path / "best_model.keras")
    program = (
        "import keras\n"
        "try: keras.saving.load_model('best_model.keras')\n"
        "except TypeError as error: assert \"'segmenter.layers>Sharpen'\" in str(error), error\n"
        "else: raise SystemExit('opened without the import')\n"
        "import segmenter.layers\n"
        "print(keras.saving.load_model('best_model.keras').output_shape)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert process.stdout.strip() == "(None, 16, 16, 1)", process.stderr


@pytest.mark.parametrize("name", LAYERS)
def test_files_of_the_former_package_are_read(name):
    register_layers()
    former, layer = (keras.saving.get_registered_object(f"{package}>{name}") for package in ("cesm", "segmenter.layers"))
    assert former is layer is not None
    assert keras.saving.get_registered_name(layer) == f"segmenter.layers>{name}"
