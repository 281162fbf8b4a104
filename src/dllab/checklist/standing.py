"""Where a learner stands: what is done, by what, and which labs to take next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dllab.checklist.coverage import Coverage, cover
from dllab.checklist.progress import Progress, Tick
from dllab.checklist.topics import Box, Checklist, Topic
from dllab.lab.find import Lab
from dllab.lab.spec import LEVELS


@dataclass(frozen=True)
class TopicStanding:
    """One topic as a learner sees it. `labs` serve it; `passed` are those of them passed."""

    topic: Topic
    status: str
    labs: tuple[Lab, ...]
    passed: tuple[Lab, ...]
    tick: Tick | None

    @property
    def state(self) -> str:
        """passed, ticked, or open; for a habit, which is never finished: habit or open."""
        if self.passed:
            return "passed"
        if self.tick is None:
            return "open"
        return "habit" if self.status == "never" else "ticked"

    @property
    def done(self) -> bool:
        """Whether it counts as done; a habit never does."""
        return self.state in ("passed", "ticked")

    @property
    def at_hand(self) -> bool:
        """Whether it can be earned today: a lab serves it, or one's own word ticks it."""
        return self.status not in ("planned", "never", "unaccounted")


@dataclass(frozen=True)
class Tally:
    """Done of total, habits left out; `at_hand` are those not done that can be earned today."""

    done: int
    total: int
    at_hand: int


@dataclass(frozen=True)
class Standing:
    """All topics with their state, the boxes that are full, and the way on."""

    places: Mapping[str, TopicStanding]
    boxes: Mapping[str, bool]
    coverage: Coverage
    checklist: Checklist
    path: tuple[Lab, ...]

    def topics_tally(self, level: str | None = None, category: str | None = None) -> Tally:
        """Topics of a level, of a category, or of both; of all without either."""
        places = [
            place
            for place in self.places.values()
            if place.status != "never"
            and level in (None, place.topic.level)
            and category in (None, place.topic.category)
        ]
        done = sum(place.done for place in places)
        at_hand = sum(place.at_hand and not place.done for place in places)
        return Tally(done, len(places), at_hand)

    def boxes_tally(self, level: str) -> Tally:
        """Boxes of a level."""
        boxes = [b for b in self.checklist.boxes if b.level == level and not self._habit(b)]
        done = sum(self.boxes[box.id] for box in boxes)
        at_hand = sum(not self.boxes[box.id] and self._at_hand(box) for box in boxes)
        return Tally(done, len(boxes), at_hand)

    def ticked_by(self, lab: Lab) -> list[Topic]:
        """The topics that passing this lab ticks."""
        return [place.topic for place in self.places.values() if lab in place.labs]

    def _habit(self, box: Box) -> bool:
        return self.coverage.boxes[box.id] == "never"

    def _at_hand(self, box: Box) -> bool:
        return all(self.places[id].done or self.places[id].at_hand for id in box.topics)


def take_stock(checklist: Checklist, labs: Sequence[Lab], progress: Progress) -> Standing:
    """Put the checklist, the labs that exist and the learner's progress together."""
    coverage = cover(checklist, labs)
    places = {topic.id: _place(topic, coverage, progress) for topic in checklist.topics.values()}
    boxes = {box.id: all(places[id].done for id in box.topics) for box in checklist.boxes}
    left = [lab for lab in labs if lab.id not in progress.passed_labs]
    return Standing(places, boxes, coverage, checklist, _path(left))


def _place(topic: Topic, coverage: Coverage, progress: Progress) -> TopicStanding:
    labs = coverage.labs[topic.id]
    passed = tuple(lab for lab in labs if lab.id in progress.passed_labs)
    tick = progress.ticks.get(topic.id)
    return TopicStanding(
        topic, coverage.topics[topic.id], labs, passed, tick if tick and tick.done else None
    )


def _path(left: Sequence[Lab]) -> tuple[Lab, ...]:
    """All labs not yet passed, each after the labs it requires.

    A lab that is not here holds nobody up. Of the labs that are ready the easiest level comes
    first, then the lowest number; where labs require each other, likewise.
    """
    waiting, path = list(left), []
    while waiting:
        ahead = {lab.number for lab in waiting}
        ready = [lab for lab in waiting if ahead.isdisjoint(lab.spec.requires)]
        lab = min(ready or waiting, key=lambda lab: (LEVELS.index(lab.spec.level), lab.id))
        path.append(lab)
        waiting.remove(lab)
    return tuple(path)
