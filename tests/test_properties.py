"""People do whatever comes to their minds, all at once, and each has exactly what is theirs.

Hypothesis makes up what they do: the same each time, or with PROPERTY_EXAMPLES=1000 in the
environment that many other stories. What fails is shown as the shortest story that fails.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import Installed
from hypothesis import given
from hypothesis import strategies as st
from properties.examples import examples
from properties.person import Person
from properties.stories import INTRUDERS_STORY, STRANGERS_STORY, Step, Story, stories
from properties.town import Town, run_town
from properties.world import Effect, World
from support.variants import BY_DATABASE


@pytest.fixture(scope="module", params=BY_DATABASE, ids=str)
def town(
    request: pytest.FixtureRequest, project_of: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """A town in which a stranger has something of everything."""
    project = project_of(request.param)
    project.run("uv", "sync", "--quiet")
    with run_town(project, tmp_path_factory.mktemp("town")) as town:
        act(town.stranger, STRANGERS_STORY)
        yield town


def test_what_is_a_strangers_is_nowhere(town: Town) -> None:
    intruder = town.newcomer()
    act(intruder, INTRUDERS_STORY)
    town.check([intruder])


@examples(40)
@given(stories=st.lists(stories, min_size=1, max_size=3))
def test_everybody_has_what_is_theirs(town: Town, stories: list[Story]) -> None:
    people = [town.newcomer() for _ in stories]
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(act, people, stories))
    town.check(people)


def act(person: Person, story: Story) -> None:
    """Do all that is in a story; after each step, what is seen must be what came of it."""
    for number, step in enumerate(story.steps):
        try:
            person.world = explain(person, story, take(person, step))
        except Exception as error:
            error.add_note(f"In step {number}: {step}")
            raise


def take(person: Person, step: Step) -> list[list[Effect]]:
    """Take a step, and return what must have happened in each tab."""
    with ThreadPoolExecutor(len(step)) as tabs:
        return list(tabs.map(lambda action: list(action.do(person, *action.told)), step))


def explain(person: Person, story: Story, tabs: list[list[Effect]]) -> World:
    """Return the world that is seen: all effects must have led to it, in one of their orders."""
    view = None
    problems = []
    for order in orders(*tabs):
        world = person.world.copy()
        try:
            for effect in order:
                effect(world)
            person.seen_threads |= world.threads.keys()
            person.seen_files |= world.files.keys()
            view = view or person.look(story.page_size, story.order)
            assert view == world.view(story.page_size, story.order)
        except AssertionError as problem:
            problems.append(problem)
        else:
            return world
    raise problems[0]


def orders(one: Sequence[Effect], other: Sequence[Effect] = ()) -> Iterator[list[Effect]]:
    """Return all orders of two sequences that keep the order of each."""
    if not one or not other:
        yield [*one, *other]
        return
    for rest in orders(one[1:], other):
        yield [one[0], *rest]
    for rest in orders(one, other[1:]):
        yield [other[0], *rest]
