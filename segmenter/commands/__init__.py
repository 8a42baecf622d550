"""The commands of `cesm-segmenter`: one module each; `add` defines the arguments, and `execute` runs the command."""
