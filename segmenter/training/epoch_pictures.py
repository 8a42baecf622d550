"""Pictures of the model's predictions after each epoch of training."""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from pipeline.files import sync
from segmenter.configuration import Configuration
from segmenter.data.cropping import Crop, find_crop
from segmenter.data.dataset import Sample
from segmenter.data.originals import originals_or_all
from segmenter.data.pairs import PairFormat, check_pair, read_all
from segmenter.data.stacks import gray_of
from segmenter.inference.thresholding import threshold_mask
from segmenter.inference.tiling import predict_tiled
from segmenter.models.saved_models import Predictor
from segmenter.pictures import draw_row, lesion_colors, write_png
from segmenter.runs import Run
from segmenter.training.callbacks import averaged


class EpochPictures(keras.callbacks.Callback):
    """Draws the model's predictions on a few fixed images after each epoch.

    Args:
      names: of the images.
      images: (images, height, width, channels) uint8, at the model's side.
      masks: (images, height, width, 1) uint8, 0 is background and 1, 2, ... are the lesion classes.
    """

    folder_name = "epoch_change_infer"

    def __init__(
        self,
        run: Run,
        configuration: Configuration,
        names: Sequence[str],
        images: np.ndarray,
        masks: np.ndarray,
    ):
        super().__init__()
        self.configuration, self.folder = configuration, run.folder / self.folder_name
        # smallest_lesion_px is for the images' own pixels; at the model's side it would remove most lesions.
        self.settings = configuration.infer.model_copy(update={"smallest_lesion_px": 0})
        self.colors = lesion_colors(configuration.infer.mask_colors, len(configuration.class_names))
        self.names, self.images, self.masks = names, images, masks

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with averaged(self.model):
            maps = [threshold_mask(self.predict(index), self.settings) for index in range(len(self.images))]
        for name, image, mask, predicted in zip(self.names, self.images, self.masks, maps, strict=True):
            gray = gray_of(image, partner=self.configuration.dataset.partner)
            # Small models' pictures are enlarged by a whole factor, so that the caption fits and pixels stay visible.
            factor = max(1, 256 // gray.shape[1])
            gray, predicted, ground_truth = (
                np.kron(panel, np.ones((factor, factor), np.uint8)) for panel in (gray, predicted, mask[..., 0])
            )
            row = draw_row(
                gray, predicted, ground_truth, f"{name}, epoch {epoch + 1}", self.colors, self.configuration.class_names
            )
            write_png(self.folder / f"Epoch_{epoch + 1}_{name}.png", row)
        sync()  # before the state says that the epoch is whole

    def predict(self, index: int) -> np.ndarray:
        """Probabilities of an image, (height, width, classes) float32, by the current model."""
        return self.model.predict_on_batch(self.images[index][None])[0]


class TiledEpochPictures(EpochPictures):
    """As `EpochPictures`, by tiles as set in [tiledinfer], on images of any size."""

    folder_name = "epoch_change_tiledinfer"

    def predict(self, index: int) -> np.ndarray:
        """As `EpochPictures.predict`, at the image's size."""
        settings = self.configuration.model
        predictor = Predictor(
            self.model, settings.image_height, settings.image_width, settings.image_channels, settings.num_classes
        )
        pixels = self.images[index] if settings.image_channels == 3 else self.images[index][..., 0]
        return predict_tiled(pixels, predictor, self.configuration.tiledinfer)


class CroppedEpochPictures(EpochPictures):
    """As `EpochPictures`, on whole images, out of which the model's input is cut.

    Args:
      crops: how, one per image.
    """

    def __init__(
        self,
        run: Run,
        configuration: Configuration,
        names: Sequence[str],
        images: np.ndarray,
        masks: np.ndarray,
        crops: Sequence[Crop],
    ):
        super().__init__(run, configuration, names, images, masks)
        self.crops = crops

    def predict(self, index: int) -> np.ndarray:
        """As `EpochPictures.predict`, at the image's size."""
        crop = self.crops[index]
        return crop.back(self.model.predict_on_batch(crop.image(self.images[index])[None])[0])


def epoch_pictures(run: Run, configuration: Configuration, valid_samples: Sequence[Sample]) -> list[EpochPictures]:
    """The callbacks that draw pictures of a few validation samples, as set in [train]; errors as in `read_pair`."""
    settings, pair_format = configuration.train, PairFormat.of(configuration)
    chosen = choose_evenly(valid_samples, settings.num_infer_images)
    names = [sample.name for sample in chosen]
    if pair_format.crop != "none":
        if not settings.epoch_change_infer:
            return []
        images, masks = _read_whole(chosen, pair_format)
        size = pair_format.height, pair_format.width
        crops = [find_crop(image[..., -1], *size, sample.variant) for image, sample in zip(images, chosen, strict=True)]
        return [CroppedEpochPictures(run, configuration, names, images, masks, crops)]
    pictures = []
    if settings.epoch_change_infer:
        pictures.append(EpochPictures(run, configuration, names, *read_all(chosen, pair_format)))
    if settings.epoch_change_tiledinfer:
        pictures.append(TiledEpochPictures(run, configuration, names, *_read_whole(chosen, pair_format)))
    return pictures


def _read_whole(samples: Sequence[Sample], pair_format: PairFormat) -> tuple[np.ndarray, np.ndarray]:
    """The pairs at the size of their files."""
    side = check_pair(samples[0], pair_format)
    return read_all(samples, replace(pair_format, height=side, width=side, crop="none"))


def choose_evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Picks `count` originals, spread over the list and so over the patients; variants where there is no original."""
    candidates = originals_or_all(samples)
    indices = np.linspace(0, len(candidates) - 1, min(count, len(candidates))).round().astype(int)
    return [candidates[index] for index in indices]
