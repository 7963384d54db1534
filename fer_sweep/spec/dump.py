"""Back to YAML text that load_sweep reads as what it was: a spec, or a single text."""

import io
import json
from typing import Any

from pydantic import BaseModel

from fer_sweep.spec.search import Parameter
from fer_sweep.spec.trial import TrialConfig


def to_yaml(config: TrialConfig) -> str:
    """YAML text of a TrialConfig or SweepSpec, all settings written out in the order of the models. A null is written
    only where it is not what leaving the key out means."""
    from ruamel.yaml import YAML  # here, because a served model writes no YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(_plain(config), stream)
    return stream.getvalue()


def as_written(path: str, text: str) -> str:
    """The override that sets a text as it is, whatever YAML or a `$` in it would mean."""
    return f"{path}={json.dumps(text.replace('$', '$$'), ensure_ascii=False)}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        items = {name: getattr(value, name) for name in fields}
        written = {name: item for name, item in items.items() if item is not None or fields[name].default is not None}
        if isinstance(value, Parameter) and not value.when:
            del written["when"]
        return {name: _plain(item) for name, item in written.items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    escaped = value.replace("$", "$$")
    # only double quotes keep line separators such as U+0085 as they are
    return escaped if escaped.isprintable() else DoubleQuotedScalarString(escaped)
