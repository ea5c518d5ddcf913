"""What an owner's tests do with a conversation: all that the page does, and transcripts."""

from pathlib import Path

import pytest
from contract.conversation import Conversation
from contract.fake_model import FakeModel
from contract.serving import Server


@pytest.fixture
def talk(server: Server, model: FakeModel, tmp_path: Path) -> Conversation:
    """A conversation with the tests' own assistant, which shows what it is asked for."""
    return Conversation(server.someone(), model, tmp_path / "transcripts" / "talk.md")


def test_a_widget_is_used(talk: Conversation) -> None:
    [card] = talk.say("Show a widget").widgets
    switch, click = [one["onClickAction"] for one in card["widget"]["children"][-2:]]
    [switched] = talk.act(card, switch).widgets
    assert switched["id"] == card["id"]
    assert "Switched" in str(switched["widget"])
    assert "demo.click" in talk.act(switched, click).text
    assert switched in talk.items()


def test_a_form_is_filled_in(talk: Conversation) -> None:
    [form] = talk.say("Show me a form").of_type("structured_input")
    assert "A chat" in talk.fill_in(form, {"idea": ["A chat"]}).text


def test_a_client_tool_is_answered(talk: Conversation) -> None:
    reply = talk.say("Use a client tool")
    assert reply.client_tool
    assert reply.client_tool["name"] == "tool_of_the_tests"
    assert "12:34" in talk.answer_client_tool({"local_time": "12:34"}).text


def test_a_file_is_attached(talk: Conversation) -> None:
    file = talk.attach("paper.txt", b"A text", "text/plain")
    assert "I see your paper.txt." in talk.say("Look", [file]).text


def test_an_error_is_heard(talk: Conversation) -> None:
    reply = talk.say("Show me an error")
    assert reply.text == "Now something goes wrong, as you asked."
    assert reply.errors == ["This is what an error looks like: a sentence."]


def test_a_reply_has_what_stays(talk: Conversation) -> None:
    reply = talk.say("Make a correction")
    assert reply.text == "2 + 2 = 4"
    assert talk.reload()[1:] == reply.items


def test_a_long_conversation_is_reloaded_whole(talk: Conversation) -> None:
    for _ in range(2):
        talk.say("Do many at once")
    assert len(talk.reload()) == 26
    assert talk.reload() == talk.items()


def test_a_transcript_is_recorded_and_compared(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECORD", raising=False)
    talk.say("Show a widget")
    talk.say("Show me an error")
    sentence = "Record it: RECORD=1 uv run pytest tests/.*::test_a_transcript_is_recorded"
    with pytest.raises(AssertionError, match=f"No transcript is recorded. {sentence}"):
        talk.check_transcript()
    with monkeypatch.context() as patch:
        patch.setenv("RECORD", "1")
        talk.check_transcript()
    talk.check_transcript()
    recorded = talk.recording.read_text(encoding="utf-8")
    assert "**Person** Show a widget\n\n**Assistant** Here is a widget.\n\n" in recorded
    assert '"value": "As it was"' in recorded
    assert recorded.endswith("**Error** This is what an error looks like: a sentence.\n")
    talk.say("Show me a form")
    with pytest.raises(AssertionError, match=r"(?s)\+\*\*Structured input.*If this is right"):
        talk.check_transcript()


def test_a_transcript_is_the_same_each_time(server: Server, model: FakeModel) -> None:
    transcripts = set()
    for _ in range(2):
        talk = Conversation(server.someone(), model, Path())
        for text in ("Use a client tool", "Show progress", "Show an image", "Show a task"):
            talk.say(f"{text}, {talk.chat.url}, {talk.thread_id}")
        transcripts.add(talk.transcript())
    [transcript] = transcripts
    assert "**Person** Show an image, <server>/chatkit, <id>" in transcript
