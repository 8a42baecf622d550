"""How a network is trained: losses, metrics, callbacks, and the trainer."""
