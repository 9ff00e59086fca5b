"""Which process of a training this is, by the variables of who started it; needs neither torch nor Lightning."""

from __future__ import annotations

import os

RANKS = ("RANK", "SLURM_PROCID", "GROUP_RANK", "NODE_RANK", "LOCAL_RANK")  # torchrun, SLURM, Lightning


def is_first() -> bool:
    """Say whether this process speaks for the training: true where it was started alone.

    Its rank is 0 in every way of counting, over all processes or over machines and on this one.
    """
    return all(int(os.environ.get(name) or 0) == 0 for name in RANKS)
