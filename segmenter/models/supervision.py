"""The heads of a network, and a model class that trains side branches and predicts without them.

Deep supervision: C.-Y. Lee, S. Xie, P. Gallagher, Z. Zhang, Z. Tu, "Deeply-Supervised Nets", AISTATS 2015.
"""

import keras
from keras import layers, ops

from segmenter.configuration import ModelSettings
from segmenter.lesion_rule import is_lesion
from segmenter.models.branches import Branches
from segmenter.models.registration import registered
from segmenter.reduction import batch_mean


@registered
class Supervised(keras.Model):
    """A model whose first output is the prediction; in training the others add to the loss.

    Outputs: the prediction and then side branches, (batch, height, width, classes), then, where the network has it, the
    probability that there is a lesion, (batch, 1). Validation loss and all metrics are those of the prediction alone,
    so they are comparable with those of a model without branches.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of the prediction; in training plus those of the branches, each with weight 1."""
        prediction, *branches = y_pred
        loss = self.loss(y, prediction)
        if training:
            for branch in branches:
                loss = loss + (self._presence_loss(y, branch) if len(branch.shape) == 2 else self.loss(y, branch))
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The metrics of the prediction."""
        return super().compute_metrics(x, y, y_pred[0], sample_weight)

    def predict_step(self, data):
        """The prediction."""
        return super().predict_step(data)[0]

    @staticmethod
    def _presence_loss(y, probability):
        present = ops.cast(ops.any(y > 0, axis=(1, 2)), "float32")
        return batch_mean(keras.losses.binary_crossentropy(present, probability))


@registered
class PresenceGate(layers.Layer):
    """Removes lesions from images that are predicted to have none. In training it is open: shut, it would stop the gradient.

    Inputs: probabilities, (batch, height, width, classes), and the probability that there is a lesion, (batch, 1); below
    0.5 there is none. What the lesion classes lose is added to the background, if that is a class.
    """

    def call(self, inputs, training=False):
        probabilities, presence = inputs
        if training:
            return probabilities
        gate = ops.cast(is_lesion(ops.reshape(presence, (-1, 1, 1, 1))), probabilities.dtype)
        if probabilities.shape[-1] == 1:
            return probabilities * gate
        lesion = probabilities[..., 1:] * gate
        return ops.concatenate([1.0 - ops.sum(lesion, axis=-1, keepdims=True), lesion], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def connect_heads(pixels, branches: Branches, settings: ModelSettings) -> keras.Model:
    """Adds the heads to a network. Probabilities are float32: the 8 bits of bfloat16 are too coarse near 0 and 1."""
    activation = settings.final_activation
    head = layers.Conv2D(
        settings.num_classes, branches.head_kernel, padding="same", activation=activation, dtype="float32", name="lesion"
    )
    outputs = [head(branches.features)]
    for number, logits in enumerate(branches.side_logits, 1):
        outputs.append(layers.Activation(activation, dtype="float32", name=f"side{number}")(logits))
    if branches.presence is not None:
        presence = layers.Activation("linear", dtype="float32", name="presence")(branches.presence)
        outputs = [PresenceGate(dtype="float32", name="gated")([outputs[0], presence]), *outputs[1:], presence]
    if len(outputs) == 1:
        return keras.Model(pixels, outputs[0], name=settings.model)
    return Supervised(pixels, outputs, name=settings.model)
