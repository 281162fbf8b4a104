"""The YAML files behind a config: which choices a group has, and in which file a key stands."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dllab.config.overrides import Override
from dllab.errors import LabError
from dllab.lab.find import Lab

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)

# The mappings of the schema.
_PARTS = ("model", "data", "trainer", "wandb")

# A choice of files: one, several (of loggers), or none.
Chosen = str | list[str] | None

# Without one of these there is nothing to run; other groups (debug, a lab's own) may be null.
_NEEDED = ("hardware", "logger", "model", "data", "trainer")


@dataclass(frozen=True)
class Layers:
    """The shared folder `configs/` and the lab's `conf/`, as Hydra sees them for one lab."""

    lab: Lab

    @property
    def shared(self) -> Path:
        """The groups that every lab shares, and the root config."""
        return self.lab.root / "configs"

    @property
    def own(self) -> Path:
        """The lab's own values."""
        return self.lab.folder / "conf"

    def require(self) -> None:
        """Raise a LabError that names the file when one of the two root files is not there."""
        for path in (self.shared / "train.yaml", self.own / "config.yaml"):
            if not path.is_file():
                raise LabError(
                    f"{self.place(path)} is missing", "bring it back from version control"
                )

    def groups(self) -> dict[str, list[str]]:
        """Each group with its choices: `{"hardware": ["cpu", …], "data": ["full", "small"]}`."""
        found: dict[str, set[str]] = {}
        for base in (self.shared, self.own):
            for path in base.rglob("*.yaml"):
                group = path.parent.relative_to(base).as_posix()
                if group != ".":
                    found.setdefault(group, set()).add(path.stem)
        return {group: sorted(choices) for group, choices in sorted(found.items())}

    def check_choice(self, override: Override) -> None:
        """Raise a LabError that lists a group's choices when `override` names none of them."""
        group, choice = override.key, override.value
        choices = self.groups()[group]
        if override.action == "delete":
            instead = "" if group in _NEEDED else f"write {group}=null, or "
            choice_of = f"{instead}{group}= one of {', '.join(choices)}"
            raise override.error("a choice cannot be deleted", choice_of)
        if not choice and group in _NEEDED:
            raise override.error(f"a run needs {group}", f"choices: {', '.join(choices)}")
        if override.action == "add" and group in (*_NEEDED, "debug"):
            raise override.error("a choice takes no plus", f"write {group}={choice}")
        for one in choice if group == "logger" and isinstance(choice, list) else [choice]:
            if one is None or str(one) in choices:
                continue
            near = nearest(str(one), choices)
            guess = f"did you mean {group}={near}? " if near else ""
            raise override.error(
                f"there is no choice {one!r} for {group}",
                f"{guess}{self._folder(group)} holds {', '.join(choices)}",
            )

    def files(self, choices: Mapping[str, Chosen]) -> list[tuple[Path, dict[str, Any]]]:
        """The files that were composed and what each sets, in the order in which they win."""
        named = [(group, name) for group, choice in choices.items() for name in names(choice)]
        shared = [(self.shared / group / f"{name}.yaml", group) for group, name in named]
        own = [(self.own / group / f"{name}.yaml", group) for group, name in named]
        debug = [entry for entry in shared if entry[1] == "debug"]
        order = [
            *(entry for entry in shared if entry not in debug),
            (self.own / "config.yaml", ""),
            *own,
            *debug,
            (self.shared / "train.yaml", ""),
        ]
        return [(path, _nested(path, group)) for path, group in order if path.is_file()]

    def debug(self, choices: Mapping[str, Chosen]) -> dict[str, Any]:
        """What the chosen debug file sets; nothing without one."""
        path = self.shared / "debug" / f"{choices.get('debug')}.yaml"
        return _nested(path, "debug") if path.is_file() else {}

    def home(self, key: str, choices: Mapping[str, Chosen]) -> str:
        """The file in which `key` stands, as a path to open; the schema for a bare default."""
        for path, values in reversed(self.files(choices)):
            if _has(values, key.split(".")):
                return self.place(path)
        return "src/dllab/config/schema.py"

    def find(self, name: str) -> Path | None:
        """The file that Hydra calls `name`: `config`, `data/small`."""
        paths = [base / f"{name}.yaml" for base in (self.own, self.shared)]
        return next((path for path in paths if path.is_file()), None)

    def flattened(self, path: Path) -> list[str]:
        """The parts of a config that a file wrongly replaces by a single value."""
        values = _nested(path, "")
        return [part for part in _PARTS if part in values and not isinstance(values[part], dict)]

    def place(self, path: Path) -> str:
        """`path` as seen from the project root."""
        root = self.lab.root
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def _folder(self, group: str) -> str:
        bases = [base for base in (self.shared, self.own) if (base / group).is_dir()]
        return " and ".join(f"{self.place(base / group)}/" for base in bases)


def names(choice: Chosen) -> list[str]:
    """What was chosen of a group, each once."""
    return list(dict.fromkeys(choice if isinstance(choice, list) else [choice or ""]))


def nearest(word: str, words: Iterable[str]) -> str:
    """The most similar of `words`, or the empty string when none is similar."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)), "")


def nearest_key(key: str, keys: Iterable[str]) -> str:
    """The known key that `key` most likely means: misspelt, or its first part wrong or missing."""
    known = list(keys)
    parent, _, name = key.rpartition(".")
    everywhere = {path.rpartition(".")[2]: path for path in known}
    beside = {last: path for last, path in everywhere.items() if path.rpartition(".")[0] == parent}
    return next(
        (names[near] for names in (beside, everywhere) if (near := nearest(name, names))), ""
    )


def _nested(path: Path, group: str) -> dict[str, Any]:
    """What a file sets, seen from the root of the config: its package wraps it."""
    text = path.read_text(encoding="utf-8")
    values = yaml.safe_load(text) or {}
    match = _PACKAGE.search(text)
    package = match[1] if match else group.replace("/", ".")
    if package not in ("", "_global_"):
        for part in reversed(package.split(".")):
            values = {part: values}
    return dict(values)


def _has(values: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True
