"""Steps are carried out by their rule's action, alone or together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from diana_common.attempts import Failed, Parted, Postponed, Refused, Unreachable
from diana_route.core.actions import Joint
from diana_route.core.executing import Carried, Executing
from diana_route.core.model import Item, Job, State, StepRecord, Task
from tests.unit.route.route_bench import DIGEST, file


class OneByOne:
    """Fails for files of some names, and remembers what it was asked."""

    def __init__(self, **failures: Failed) -> None:
        self.failures = failures
        self.asked: list[str] = []

    def target(self, item: Item) -> str:
        return "target"

    def carry_out(self, task: Task) -> None:
        self.asked.append(task.request_id)
        if failure := self.failures.get(task.job.name):
            raise failure


class Together(OneByOne, Joint):
    """The same for many at once."""

    def carry_out_all(self, tasks: Sequence[Task]) -> Sequence[Failed | None]:
        self.asked.append(" ".join(task.request_id for task in tasks))
        return [self.failures.get(task.job.name) for task in tasks]


def job(name: str, done: int = 0, digest: str = DIGEST) -> Job:
    steps = [StepRecord("do", number < done) for number in range(2)]
    return Job(ord(name), name, "rule", digest, file(name), (), State.WAITING, steps, 0.0)


def executing(*actions: OneByOne) -> Executing:
    return Executing({"rule": Carried(DIGEST, actions)})


def test_the_next_step_is_its_actions_alone() -> None:
    first, second = OneByOne(), OneByOne()
    executing(first, second).attempt(Task(job("a", done=1), "target"))
    assert (first.asked, second.asked) == ([], ["a/1"])


@pytest.mark.parametrize("rules", [{}, {"rule": Carried("other", [OneByOne()])}])
def test_a_job_whose_rule_changed_is_refused(rules: dict[str, Carried]) -> None:
    with pytest.raises(Refused, match="rule rule is no more, or has other actions"):
        Executing(rules).attempt(Task(job("a"), "target"))


@pytest.mark.parametrize(("kind", "asked"), [(OneByOne, ["a/0", "b/0"]), (Together, ["a/0 b/0"])])
def test_jobs_together_are_done_by_one_attempt(kind: type[OneByOne], asked: list[str]) -> None:
    action = kind()
    executing(action).attempt(Task(job("a"), "target", [job("b")]))
    assert action.asked == asked


@pytest.mark.parametrize("kind", [OneByOne, Together])
def test_those_that_fared_alike_are_told_of_together(kind: type[OneByOne]) -> None:
    refused = [Refused("not Part 10"), Refused("not Part 10")]
    action = kind(b=refused[0], d=refused[1], e=Postponed("full"))
    with pytest.raises(Parted) as caught:
        executing(action).attempt(Task(job("a"), "target", [job(one) for one in "bcde"]))
    parts = [("".join(one.name for one in part.jobs), type(failure)) for part, failure in caught.value.parts]
    assert parts == [("ac", type(None)), ("bd", Refused), ("e", Postponed)]


def test_where_one_finds_nobody_the_others_do_not_try() -> None:
    action = OneByOne(b=Unreachable("no answer"))
    with pytest.raises(Parted) as caught:
        executing(action).attempt(Task(job("a"), "target", [job(one) for one in "bcd"]))
    assert action.asked == ["a/0", "b/0"]
    assert [len(part.jobs) for part, _ in caught.value.parts] == [1, 3]
