"""A conversation in which everything is looked at on its way."""

from chat import Chat, is_delta, text_of


def converse(chat: Chat) -> str:
    """Hold a conversation of two turns and return the id of its thread."""
    with chat.say_slowly("Tell me about proxies") as events:
        thread_id: str = next(events)["thread"]["id"]
        first = next(filter(is_delta, events))
        assert [item["type"] for item in chat.items(thread_id)] == ["user_message"], (
            "the first delta came when the answer was over"
        )
        rest = list(events)
    answer = text_of(rest[-1]["item"])
    assert answer.startswith(first["update"]["delta"])
    assert "Tell me about proxies" in answer

    listed = chat.ask("threads.list", limit=9999)["data"]
    assert [(thread["id"], thread["title"]) for thread in listed] == [
        (thread_id, "Tell me about proxies")
    ]
    loaded = chat.ask("threads.get_by_id", thread_id=thread_id)["items"]["data"]
    assert [text_of(item) for item in loaded] == ["Tell me about proxies", answer]
    chat.say("And about databases", thread_id)
    return thread_id
