"""A decoding process is given the configuration's thresholds without the configuration's classes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, fields

from alnus.config import QualityConfig
from alnus.media.thresholds import Thresholds, thresholds_of, usual_thresholds


def test_the_thresholds_are_those_of_the_configuration():
    assert [field.name for field in fields(Thresholds)] == list(QualityConfig.model_fields)
    config = QualityConfig(min_frames=3, exclude=("black",), colour_share=0.25)
    assert asdict(thresholds_of(config)) == config.model_dump()
    assert json.dumps(asdict(usual_thresholds())) == json.dumps(QualityConfig().model_dump(mode="json"))


def test_a_decoding_process_does_not_import_the_configuration():
    script = "import alnus.media.worker, alnus.media.entry, alnus.media.video, sys; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
