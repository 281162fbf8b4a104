"""Which topics and boxes are served, and how: what authors still have to make."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dllab.checklist.topics import Box, Checklist, Topic, suggest
from dllab.errors import LabError
from dllab.lab.find import Lab

# From the best served to the worst; a box is as well served as the worst of its topics.
STATUSES = ("served", "exercise", "planned", "self", "never", "unaccounted")


@dataclass(frozen=True)
class Coverage:
    """The status of every topic and box, and the labs that serve each topic."""

    topics: Mapping[str, str]
    boxes: Mapping[str, str]
    labs: Mapping[str, tuple[Lab, ...]]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many topics and boxes have each status: the form of `coverage --json`."""
        return {"topics": _count(self.topics), "boxes": _count(self.boxes)}


def cover(checklist: Checklist, labs: Sequence[Lab]) -> Coverage:
    """The status of everything on the checklist, given the labs that exist."""
    serving = serving_labs(checklist, labs)
    topics = {id: _status(topic, serving[id]) for id, topic in checklist.topics.items()}
    boxes = {box.id: _worst(box, topics) for box in checklist.boxes}
    return Coverage(topics, boxes, serving)


def serving_labs(checklist: Checklist, labs: Sequence[Lab]) -> dict[str, tuple[Lab, ...]]:
    """The labs that name each topic; a lab that names an unknown topic is an error."""
    for lab in labs:
        for id in lab.spec.topics:
            if id not in checklist.topics:
                raise LabError(
                    f"{lab.folder / 'lab.yaml'}: topics names {id!r}, which {checklist.path.name}"
                    " does not hold",
                    suggest(id, checklist.topics),
                )
    return {id: tuple(lab for lab in labs if id in lab.spec.topics) for id in checklist.topics}


def overdue(checklist: Checklist, coverage: Coverage, labs: Sequence[Lab]) -> list[Topic]:
    """Topics planned for a lab that exists by now, but does not name them."""
    numbers = {lab.number for lab in labs}
    return [
        topic
        for topic in checklist.topics.values()
        if coverage.topics[topic.id] == "planned" and topic.how and topic.how.value in numbers
    ]


def _status(topic: Topic, labs: tuple[Lab, ...]) -> str:
    if labs:
        return "served"
    return topic.how.kind if topic.how else "unaccounted"


def _worst(box: Box, topics: Mapping[str, str]) -> str:
    return max((topics[id] for id in box.topics), key=STATUSES.index)


def _count(statuses: Mapping[str, str]) -> dict[str, int]:
    found = Counter(statuses.values())
    return {"total": len(statuses), **{status: found[status] for status in STATUSES}}
