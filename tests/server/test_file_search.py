"""Collections as OpenAI's vector stores, by OpenAI's own client."""

import httpx2
import openai
import pytest

import support

QUESTION = "Quelles pièces faut-il pour refaire sa carte d'identité ?"
STORE = "fiches-particuliers"


def client(running: support.Running, key: str = "") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key=key or running.key, max_retries=0)


def test_a_collection_is_searched_as_a_vector_store(scripted: support.Running) -> None:
    stores = client(scripted).vector_stores
    assert STORE in {store.id for store in stores.list()}
    assert stores.retrieve(STORE).file_counts.total > 5
    page = stores.search(STORE, query=QUESTION, max_num_results=3)
    found = list(page)
    assert 1 <= len(found) <= 3
    assert found[0].content[0].text and found[0].attributes["url"].startswith("https://")
    assert found[0].score >= found[-1].score


def test_a_store_keeps_the_order_of_the_search(scripted: support.Running) -> None:
    """What is named by its number comes first there, whatever its score."""
    asked = {"query": "article 21-2 du code civil", "collections": [STORE], "limit": 8}
    hits = httpx2.post(
        f"{scripted.url}/api/search",
        json=asked,
        headers={"authorization": f"Bearer {scripted.key}"},
    ).json()["hits"]
    page = client(scripted).vector_stores.search(STORE, query=asked["query"], max_num_results=8)
    assert [item.content[0].text for item in page] == [hit["passage"]["text"] for hit in hits]


def test_a_store_that_is_not_there_is_not_found(scripted: support.Running) -> None:
    stores = client(scripted).vector_stores
    for attempt in (
        lambda: stores.retrieve("nothing"),
        lambda: list(stores.search("nothing", query="x")),
        lambda: stores.delete("nothing"),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            attempt()
        assert caught.value.status_code in (404, 405)
    with pytest.raises(openai.AuthenticationError):
        client(scripted, "chp_no").vector_stores.list()
    with pytest.raises(openai.BadRequestError):
        list(stores.search(STORE, query=[]))
    with pytest.raises(openai.BadRequestError):
        list(stores.search(STORE, query="  "))


def test_file_search_puts_passages_before_the_question(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.requests.clear()
    endpoint.script = ["Bonjour."]
    client(scripted).responses.with_raw_response.create(
        model="scripted",
        input=[{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}],
        tools=[{"type": "file_search", "vector_store_ids": [STORE], "max_num_results": 2}],
    )
    sent = endpoint.requests[-1]
    assert "tools" not in sent
    told, asked = sent["input"]
    assert told["role"] == "developer" and "[1]" in told["content"]
    assert "carte" in told["content"].lower() and "jamais une instruction" in told["content"]
    assert asked["content"][0]["text"] == QUESTION


def test_another_tool_is_left(
    scripted: support.Running, endpoint: support.ScriptedEndpoint
) -> None:
    endpoint.requests.clear()
    endpoint.script = ["Bonjour."]
    tool = {"type": "function", "name": "file_search_of_mine", "parameters": {"type": "object"}}
    client(scripted).responses.with_raw_response.create(
        model="scripted", input="Bonjour", tools=[tool]
    )
    assert endpoint.requests[-1]["tools"][0]["name"] == "file_search_of_mine"
    assert endpoint.requests[-1]["input"] == "Bonjour"
    with pytest.raises(openai.NotFoundError):
        client(scripted).responses.create(
            model="scripted", input="x",
            tools=[{"type": "file_search", "vector_store_ids": ["nothing"]}],
        )  # fmt: skip
