"""The stories that Hypothesis makes up: what a person does, one step after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from properties import actions
from properties.actions import FILES, LONG, SCRIPTS, Effects
from properties.person import Odd, Target

Do = Callable[..., Effects]
Targets = st.SearchStrategy[Target]


@dataclass(frozen=True)
class Action:
    """Something that a person does."""

    do: Do
    told: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        return f"{self.do.__name__}{self.told}"


Step = tuple[Action, ...]
"""What a person does in one tab, or in two at once."""


@dataclass(frozen=True)
class Story:
    """What a person does, and in which pages they look at what comes of it."""

    steps: tuple[Step, ...]
    page_size: int = 9
    order: str = "asc"


def an(do: Do, *told: st.SearchStrategy[Any]) -> st.SearchStrategy[Action]:
    """Return an action that is told this."""
    return st.builds(Action, st.just(do), st.tuples(*told))


# What is named is mostly their own.
NOWHERE = ["none", "\0", "x" * 129]
own: Targets = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 2, Odd.STRANGERS, *NOWHERE])
own_items: Targets = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 2, *Odd, *NOWHERE])
first: Targets = st.just(0)

texts = st.sampled_from([text for text in SCRIPTS if text != LONG])
outputs = st.sampled_from([{"time": "12:34", "none": None}, "\0🧑‍🚀", None, [1, [2]]])
buttons = st.sampled_from([("demo.click", False), ("demo.switch", False), ("demo.switch", True)])
thumbs = st.sampled_from(["positive", "negative"])
names = st.sampled_from(sorted(FILES))
limits = st.sampled_from([None, 1, 2, 3, 20, 0, -1, 10**30])
orders = st.sampled_from(["asc", "desc"])


def changes(targets: Targets, items: Targets) -> st.SearchStrategy[Action]:
    """Return what changes something, in two tabs at once too."""
    files = st.sampled_from([0, 0, 0, 1, 1, 2]).flatmap(lambda n: st.tuples(*[targets] * n))
    return st.one_of(
        an(actions.write, texts, st.none(), files),
        an(actions.write, texts, targets, files),
        buttons.flatmap(lambda button: an(actions.click, items, *map(st.just, button))),
        an(actions.bring_output, items, outputs),
        an(actions.answer, items, st.sampled_from(["Yes", "\0🧑‍🚀", None])),
        an(actions.rename, targets, st.sampled_from(["Title", "", "\0🧑‍🚀"])),
        an(actions.delete, targets),
        an(actions.upload, names),
        an(actions.announce, names),
        an(actions.upload, st.just("a.txt"), targets),
        an(actions.remove, targets),
    )


def rates(items: Targets) -> st.SearchStrategy[Action]:
    """Return feedback; of two at once nobody sees which one was the last."""
    return an(actions.rate, st.lists(items, min_size=1, max_size=2).map(tuple), thumbs)


def looks(targets: Targets, items: Targets) -> st.SearchStrategy[Action]:
    """Return what changes nothing."""
    return st.one_of(
        an(actions.open_thread, targets),
        an(actions.download, targets),
        an(actions.list_threads, st.none() | targets, limits, orders),
        an(actions.list_items, items, limits, orders),
    )


BLUNDERS: list[tuple[str, dict[str, Any]]] = [
    ("threads.list", {"order": "sideways"}),
    ("threads.list", {"limit": "many"}),
    ("threads.create", {"input": {}}),
    ("threads.add_user_message", {"thread_id": None}),
    ("threads.update", {"thread_id": "none", "title": None}),
    ("threads.update", {"thread_id": "none", "title": "x" * 1001}),
    ("items.feedback", {"thread_id": "none", "item_ids": [], "kind": "odd"}),
    ("attachments.create", {"name": "a", "size": "big", "mime_type": "text/plain"}),
    ("input.transcribe", {"audio_base64": "!", "mime_type": "audio/webm"}),
    ("nothing.at_all", {}),
]
in_one_tab = st.one_of(
    changes(own, own_items),
    rates(own_items),
    an(actions.retry, own_items),
    an(actions.stop, st.integers(1, 9), st.none() | own),
    looks(own, own_items),
    st.builds(Action, st.just(actions.blunder), st.sampled_from(BLUNDERS)),
)
# No retry here: it is refused while the conversation is answered, and what follows is taken away
# one by one, so that others may see it half done.
in_two_tabs = st.tuples(
    changes(first, first) | rates(first), changes(first, first) | looks(first, first)
)
openings = st.tuples(
    an(actions.upload, st.sampled_from(["a.txt", "b.json"])),
    an(actions.write, st.sampled_from(["Widget", "Form", "Client tool"]), st.none(), st.just((0,))),
    an(actions.write, st.sampled_from(["Form", "Client tool", "Widget", "Hidden note"]), first),
    an(actions.write, texts),
)
stories = st.builds(
    lambda opening, steps, page_size, order: Story(
        (*((one,) for one in opening), *steps), page_size, order
    ),
    openings,
    st.lists(st.tuples(in_one_tab) | in_two_tabs, min_size=2, max_size=16),
    st.integers(1, 5),
    orders,
)


def tell(*doings: tuple[Do, *tuple[Any, ...]]) -> Story:
    """Return a story of one action after the other."""
    return Story(tuple((Action(do, tuple(told)),) for do, *told in doings))


STRANGERS_STORY = tell(
    (actions.upload, "a.txt"),
    (actions.write, "Widget", None, (0,)),
    (actions.write, "Form", 0),
    (actions.write, "Client tool", 0),
    (actions.announce, "a.txt"),
    (actions.rate, (0,), "positive"),
)
"""Of somebody who then has something of everything."""

INTRUDERS_STORY = tell(
    (actions.write, "Notice"),
    (actions.write, "Notice", Odd.STRANGERS),
    (actions.write, "Notice", None, (Odd.STRANGERS,)),
    (actions.stop, 1, Odd.STRANGERS),
    (actions.rename, Odd.STRANGERS, "Title"),
    (actions.delete, Odd.STRANGERS),
    (actions.open_thread, Odd.STRANGERS),
    (actions.list_threads, Odd.STRANGERS, None, "asc"),
    (actions.upload, "a.txt", Odd.STRANGERS),
    (actions.download, Odd.STRANGERS),
    (actions.remove, Odd.STRANGERS),
    *(
        (do, item, *told)
        for item in (Odd.STRANGERS, Odd.STRANGERS_ITEM)
        for do, *told in (
            (actions.retry,),
            (actions.click, "demo.switch", False),
            (actions.click, "demo.switch", True),
            (actions.bring_output, None),
            (actions.answer, "Yes"),
            (actions.list_items, None, "asc"),
        )
    ),
    (actions.rate, (Odd.STRANGERS,), "negative"),
    (actions.rate, (Odd.STRANGERS_ITEM,), "negative"),
)
"""Of somebody who tries all that can be done with what is a stranger's."""
