"""What held against attacks still holds: in production mode, in front of the page's server."""

import pytest
from support.variants import BY_FRAMEWORK, Variant

from attacks.conftest import DeployedOf


@pytest.mark.parametrize("variant", BY_FRAMEWORK, ids=str)
def test_others_ids_lead_nowhere(deployed_of: DeployedOf, variant: Variant) -> None:
    """Slug: foreign-thread. In requests of every type somebody else's looks like not there."""
    site = deployed_of(variant)
    owner, stranger = site.visit(), site.visit()
    thread_id = owner.say("A secret of mine")[0]["thread"]["id"]
    item_id = owner.items(thread_id)[0]["id"]
    attachment_id = owner.upload("a.txt", b"Mine", "text/plain").json()["id"]
    before = owner.items(thread_id)
    message = {
        "content": [{"type": "input_text", "text": "Hello"}],
        "attachments": [],
        "inference_options": {},
    }
    here = {"thread_id": thread_id}
    action = {"type": "answer", "payload": {}}
    requests = {
        "threads.get_by_id": here,
        "threads.update": {**here, "title": "Stolen"},
        "threads.add_user_message": {**here, "input": message},
        "threads.add_client_tool_output": {**here, "result": {}},
        "threads.retry_after_item": {**here, "item_id": item_id},
        "threads.custom_action": {**here, "item_id": item_id, "action": action},
        "threads.sync_custom_action": {**here, "item_id": item_id, "action": action},
        "items.feedback": {**here, "item_ids": [item_id], "kind": "positive"},
        "threads.create": {"input": {**message, "attachments": [attachment_id]}},
    }
    for kind, params in requests.items():
        answer = stranger.post(kind, **params)
        assert answer.status_code == 404, (kind, answer.text)
        assert "secret" not in answer.text
    assert stranger.post("items.list", **here).json()["data"] == []
    stranger.post("threads.delete", **here)
    stranger.post("attachments.delete", attachment_id=attachment_id)
    assert stranger.download(attachment_id).status_code == 404
    assert stranger.upload("b.txt", b"Theirs", "text/plain", attachment_id).status_code == 404
    assert owner.items(thread_id) == before
    assert owner.download(attachment_id).content == b"Mine"
