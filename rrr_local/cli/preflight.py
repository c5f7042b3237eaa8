"""What `rrr train --dry-run` found, for a person."""

from __future__ import annotations

from rrr_local.cli.output import Output
from rrr_local.engine.preflight import Preflight


def print_preflight(output: Output, found: Preflight) -> None:
    """The checks, and whether it can begin."""
    name, steps = found.recipe["name"], found.recipe["steps"]
    output.text(f"{steps} steps of {name} on {found.task} with {found.model}, {found.backend}; nothing was kept")
    output.table(*((check.health, check.name, check.detail) for check in found.checks))
    output.text("it can begin" if found.ready else "it cannot begin like this")
