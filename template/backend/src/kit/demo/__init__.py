"""Answers while no model can be asked: no key, no network, the whole of ChatKit to look at."""

import re
from collections.abc import Callable
from typing import Any

from chatkit.actions import Action
from chatkit.types import WidgetItem

from kit.chat.turns import Turn
from kit.demo import answers, widgets
from kit.demo.answers import Events, say
from kit.disclosure import in_development

GREETING = """I am the **demo assistant**: no model is asked, so I only pretend to understand."""

ADVICE = """ To get real answers, put your key into `backend/.env.local` and start `uv run dev` \
again:

    OPENAI_API_KEY=…

or `OPENAI_BASE_URL` and `OPENAI_MODEL` for Ollama, vLLM, LM Studio or OpenRouter. Then make the \
assistant yours in `backend/src/app/assistant.py`."""
"""What only those need to know who run the app."""

OFFER = """

Meanwhile, ask me for a **widget**, a **client tool**, a **form**, **progress**, an **error** or \
a **long answer**. I also know: growing widget, task, image, sources, notice, effect, correction, \
hidden note, and how to lock or close a conversation."""


async def respond(turn: Turn) -> Events:
    """Answer the person's message, or what a client tool or a form brought."""
    answer = _script(turn.message_text) if turn.message else answers.answered
    async for event in answer(turn):
        yield event


async def act(turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
    """Answer a click in the demo's widget."""
    if action.type == "demo.switch" and widget is not None:
        yield widgets.switched(widget)
        return
    async for event in say(turn, f"You clicked: the server got the action `{action.type}`."):
        yield event


def _script(text: str) -> Callable[[Turn], Events]:
    for words, script in SCRIPTS.items():
        if re.search(rf"\b{words}s?\b", text, re.IGNORECASE):
            return script
    return _greet


async def _greet(turn: Turn) -> Events:
    quoted = " ".join(turn.message_text.split())[:200]
    files = [attachment.name for attachment in turn.message.attachments] if turn.message else []
    seen = f" I see your {', '.join(files)}." if files else ""
    greeting = GREETING + (ADVICE if in_development() else "") + OFFER
    async for event in say(turn, f"You said: “{quoted}”.{seen}\n\n{greeting}"):
        yield event


async def _long_answer(turn: Turn) -> Events:
    text = "Counting slowly, so that you can press Stop and see that nothing is lost: "
    async for event in say(turn, text + " ".join(str(number) for number in range(1, 301))):
        yield event


# The first whose words are in the message.
SCRIPTS: dict[str, Callable[[Turn], Events]] = {
    "growing widget": widgets.growing_widget,
    "widget": widgets.widget,
    "client tool": answers.client_tool,
    "form": answers.form,
    "progress": answers.progress,
    "task": answers.task,
    "image": answers.image,
    "source": answers.sources,
    "notice": answers.notice,
    "effect": answers.effect,
    "correction": answers.correction,
    "hidden note": answers.hidden_note,
    "lock": answers.lock,
    "close": answers.close,
    "error": answers.error,
    "long answer": _long_answer,
}
