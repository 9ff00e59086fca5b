"""`alnus models` tells what there is to build, for people and for programs."""

import json

from typer.testing import CliRunner

from alnus.cli import app
from alnus.models import NAMES, facts


def alnus(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_list_is_the_same_for_people_and_for_programs():
    rows, text = json.loads(alnus("models", "--json")), alnus("models")
    assert {row["name"] for row in rows} == set(NAMES)
    assert len(rows) == sum(len(facts(name).depths) for name in NAMES)
    for row in rows:
        depth = f"{row['depth']}{'*' if row['default'] else ''}"
        (line,) = [line for line in text.splitlines() if line.split()[:1] == [row["name"]] and depth in line.split()]
        assert f"{row['parameters'] / 1e6:.1f} M" in line
        assert line.endswith(f"{row['gflops']:.1f}")
    assert all(accepted in text for row in rows for accepted in row["accepts"])
