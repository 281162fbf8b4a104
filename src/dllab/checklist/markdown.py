"""The checklist as Markdown: to copy, to tick by hand, to make one's own."""

from collections.abc import Iterable, Iterator

from dllab.checklist.topics import Box, Checklist, Topic
from dllab.lab.spec import LEVELS

_OPENING = """\
# Deep learning, a checklist

Copy it, tick it, strike what you do not need and add what you do. *Items in italics are habits:
they are never finished.*
"""


def to_markdown(checklist: Checklist) -> str:
    """Every box, then every topic with what mastering it means, by level."""
    lines = [_OPENING, "## In short: the boxes", ""]
    for level in LEVELS:
        lines += _boxes(level, checklist)
    lines += ["## In full: the topics", ""]
    for level in LEVELS:
        lines += _topics(level, checklist.topics.values())
    return "\n".join(lines)


def _boxes(level: str, checklist: Checklist) -> Iterator[str]:
    boxes = [box for box in checklist.boxes if box.level == level]
    for group in dict.fromkeys(box.group for box in boxes):
        yield f"### {level.capitalize()}: {group}\n"
        for box in boxes:
            if box.group == group:
                yield f"- [ ] {_styled(box.title, habit=_is_habit(box, checklist))}"
        yield ""


def _topics(level: str, topics: Iterable[Topic]) -> Iterator[str]:
    of_level = [topic for topic in topics if topic.level == level]
    for category in dict.fromkeys(topic.category for topic in of_level):
        yield f"### {level.capitalize()}: {category.replace('-', ' ')}\n"
        for topic in of_level:
            if topic.category == category:
                yield f"- [ ] {_title(topic)}: {topic.mastery}"
                yield from (f"  - {theirs} → {ours}" for theirs, ours in topic.counterparts.items())
        yield ""


def _title(topic: Topic) -> str:
    return _styled(
        topic.title, habit=topic.how is not None and topic.how.kind == "never", bold=True
    )


def _styled(title: str, *, habit: bool, bold: bool = False) -> str:
    mark = "*" if habit else "**" if bold else ""
    return f"{mark}{title}{mark}"


def _is_habit(box: Box, checklist: Checklist) -> bool:
    hows = [checklist.topics[id].how for id in box.topics]
    return all(how is not None and how.kind == "never" for how in hows)
