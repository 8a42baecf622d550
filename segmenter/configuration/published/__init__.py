"""The dialect of the published project's `train_eval_infer.config`."""
