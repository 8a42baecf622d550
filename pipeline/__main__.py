"""`python -m pipeline`, the same as `cesm-pipeline`."""

from pipeline.cli import main

raise SystemExit(main())
