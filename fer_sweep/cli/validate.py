"""fer-sweep validate: is this sweep file right?"""

import json
from collections.abc import Sequence
from pathlib import Path

from fer_sweep.cli.console import out
from fer_sweep.spec import grid_size, load_sweep


def validate_file(file: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Say that a sweep file is valid and what it searches; load_sweep raises SpecError with every problem if not."""
    spec = load_sweep(file, overrides)
    size = grid_size(spec.parameters)
    if as_json:
        out.print_json(
            json.dumps({"valid": True, "name": spec.name, "parameters": len(spec.parameters), "space": size})
        )
        return
    space = "infinitely many" if size is None else f"{size:,}"
    out.print(
        f"{file} is valid: sweep {spec.name}, method {spec.method}, {len(spec.parameters)} searched parameters, "
        f"{space} configurations.",
        soft_wrap=True,
    )
