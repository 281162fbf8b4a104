"""A stranger's YAML as plain data: looked at event by event before any of it is built."""

import yaml

from dllab.lab.checked import parse_yaml
from dllab.submission.layout import MAX_DEPTH, MAX_TEXT, bad


def read_plain_yaml(content: bytes, name: str, max_bytes: int) -> object:
    """Texts, numbers, lists and mappings; `name` is the file's, for the refusal.

    Raises Ungradable for what is too long or nested too deep, for tags and aliases, and for what
    JSON could not say.
    """
    if len(content) > max_bytes:
        raise bad(f"{name} has {len(content)} bytes; the cap is {max_bytes}")
    check_plain_yaml(content, name)
    try:
        value = parse_yaml(content)
    except Exception as error:  # noqa: BLE001 - `0x_` is a ValueError, `2001-99-99` another
        raise bad(f"{name} is not plain YAML: {error}") from None
    if not _is_plain(value):
        raise bad(
            f"{name} may hold texts, numbers, lists and mappings with texts as keys; "
            "integers have 64 bits at most"
        )
    return value


def check_plain_yaml(content: bytes, name: str) -> None:
    """Refuse tags, aliases and deep nesting before any of it is built.

    Aliases of aliases grow without end, a tag names an object, and nesting is a reader's stack.
    """
    depth = 0
    try:
        for event in yaml.parse(read_text(name, content), Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise bad(f"{name} is nested more than {MAX_DEPTH} deep")
            if isinstance(event, yaml.AliasEvent):
                raise bad(f"{name} holds an alias; it must be plain data")
            if getattr(event, "tag", None):
                raise bad(f"{name} holds a tag; it must be plain data")
    except (yaml.YAMLError, RecursionError) as error:
        raise bad(f"{name} is not plain YAML: {error}") from None


def read_text(name: str, content: bytes) -> str:
    """The text of a file, which must be UTF-8 and not too long."""
    if len(content) > MAX_TEXT * 16:
        raise bad(f"{name} is too long")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad(f"{name} is not UTF-8: {error}") from None


def _is_plain(value: object) -> bool:
    """Whether JSON can say it too: no dates, no bytes, no keys but texts, and integers of 64 bits
    (`0x…` may have digits without number, which nobody could write down again).
    """
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | float)
