"""The commands of `cesm-pipeline`: one module each, with its arguments and all that it prints."""
