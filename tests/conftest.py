"""What every room's tests share: where the sample data are, and single-threaded determinism."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with real clips and published data (ALNUS_SAMPLE_DATA, else ../shared/data); skips where absent."""
    folder = Path(os.environ.get("ALNUS_SAMPLE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"sample data are not here: {folder} (set ALNUS_SAMPLE_DATA)")
    return folder
