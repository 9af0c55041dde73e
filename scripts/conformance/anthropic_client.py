#!/usr/bin/env python3
"""The official Anthropic client against a quern daemon, over its Unix socket.

The client validates every answer against its own types (`_strict_response_validation`). Calls and thinking are tested with models
whose chat template shows them, and counted as left out with others.

    pip install -r scripts/conformance/requirements.txt
    quern serve MODEL --socket /run/user/1000/quern/quern.sock &
    scripts/conformance/anthropic_client.py /run/user/1000/quern/quern.sock
"""
import asyncio
import json
import sys

import anthropic
import httpx2

from checks import Checks, LeftOut, command_line

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"enum": ["Paris", "Cologne", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}


class Conformance(Checks):
    title = f"anthropic {anthropic.__version__}"

    def __init__(self, socket):
        self.socket = socket
        self.http = httpx2.Client(transport=httpx2.HTTPTransport(uds=socket), timeout=300)
        self.client = anthropic.Anthropic(
            api_key="none", base_url="http://quern", http_client=self.http, max_retries=0, _strict_response_validation=True)
        properties = self.http.get("http://quern/props").json()
        self.model = properties["model_alias"]
        template = properties["chat_template"] or ""
        self.calls, self.thinks = "<tool_call>" in template, "</think>" in template
        self.messages = [{"role": "user", "content": "What is the weather in Cologne today?"}]

    def arguments(self, body=None, **changes):
        """`body` are fields that this version of the client has no name for."""
        body = {"temperature": 0, **(body or {})}
        return {"model": self.model, "messages": self.messages, "max_tokens": 24, "extra_body": body, **changes}

    def create(self, **changes):
        return self.client.messages.create(**self.arguments(**changes))

    def stream(self, **changes):
        """The events of a stream and the message that the client makes of them."""
        with self.client.messages.stream(**self.arguments(**changes)) as stream:
            events = list(stream)
            return events, stream.get_final_message()

    def check_stream(self, **changes):
        """A stream adds up to the whole answer, event by event in the order of the protocol."""
        whole = self.create(**changes)
        events, message = self.stream(**changes)
        for streamed, block in zip(message.content, whole.content, strict=True):
            assert {**streamed.to_dict(), "id": 0} == {**block.to_dict(), "id": 0}
        assert (message.stop_reason, message.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
        assert message.usage.output_tokens == whole.usage.output_tokens
        raw = [e.type for e in self.client.messages.create(**self.arguments(**changes), stream=True)]
        assert raw[0] == "message_start" and raw[-2:] == ["message_delta", "message_stop"]
        depth = 0
        for kind in raw[1:-2]:
            depth += {"content_block_start": 1, "content_block_delta": 0, "content_block_stop": -1}[kind]
            assert depth in (0, 1) and (kind != "content_block_delta" or depth == 1)
        assert depth == 0 and raw.count("content_block_start") == len(whole.content)
        return whole, events

    # -- messages -------------------------------------------------------------------------------------------------

    def test_message(self):
        message = self.create()
        assert message.role == "assistant" and message.content[0].type == "text" and message.content[0].text
        assert message.stop_reason in ("end_turn", "max_tokens")
        assert message.usage.output_tokens > 0
        assert message.timings["predicted_per_second"] >= 0
        assert self.create().content[0].text == message.content[0].text

    def test_parameters(self):
        message = self.create(
            metadata={"user_id": "conformance"}, stop_sequences=["\n\n\n"],
            system=[{"type": "text", "text": "Answer briefly.", "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": [{"type": "text", "text": "Name a colour.", "cache_control": {"type": "ephemeral"}}]}],
            body={"temperature": 1, "top_p": 0.9, "top_k": 20, "seed": 3, "min_p": 0.01, "priority": "interactive"})
        assert message.content
        assert self.create(max_tokens=0).usage.output_tokens == 0

    def test_stream(self):
        whole, events = self.check_stream()
        assert "".join(e.text for e in events if e.type == "text") == whole.content[0].text

    def test_stop_sequence(self):
        text = self.create().content[0].text
        stop = text[3:6]
        whole, _ = self.check_stream(stop_sequences=[stop])
        assert whole.stop_reason == "stop_sequence" and whole.stop_sequence == stop
        assert text.startswith(whole.content[0].text if whole.content else "")

    def test_conversation(self):
        first = self.create()
        second = self.create(messages=self.messages + [first.to_param(), {"role": "user", "content": "And tomorrow?"}])
        assert second.content and second.usage.cache_read_input_tokens > first.usage.input_tokens // 2

    def test_prefill(self):
        begun = self.messages + [{"role": "assistant", "content": "The weather is"}]
        assert not self.create(messages=begun).content[0].text.startswith("The weather is")

    def test_structured_output(self):
        schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"], "additionalProperties": False}
        whole, _ = self.check_stream(max_tokens=60, output_config={"format": {"type": "json_schema", "schema": schema}})
        assert json.loads(whole.content[0].text)["colour"] in ("red", "blue")

    # -- tools ----------------------------------------------------------------------------------------------------

    def test_tools(self):
        if not self.calls:
            raise LeftOut("no calls in the template")
        choice = {"type": "any", "disable_parallel_tool_use": True}
        whole, events = self.check_stream(tools=[WEATHER], tool_choice=choice, max_tokens=120)
        assert whole.stop_reason == "tool_use"
        call = whole.content[-1]
        assert call.type == "tool_use" and call.name == "get_weather"
        assert call.input["city"] in ("Paris", "Cologne", "Oslo") and 1 <= call.input["days"] <= 9
        assert "".join(e.partial_json for e in events if e.type == "input_json")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees, sunny"}
        turns = self.messages + [whole.to_param(), {"role": "user", "content": [result]}]
        answer = self.create(messages=turns, tools=[WEATHER], tool_choice={"type": "none"})
        assert answer.content and answer.content[0].type == "text"
        named = self.create(tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"}, max_tokens=120)
        assert all(block.type == "tool_use" for block in named.content)
        assert self.create(tools=[{**WEATHER, "strict": True}], tool_choice={"type": "auto"}, max_tokens=60).content
        self.refused(lambda: self.create(messages=turns[:2], tools=[WEATHER]), "without a result")

    def test_cut_off_call(self):
        if not self.calls:
            raise LeftOut("no calls in the template")
        choice = {"type": "any", "disable_parallel_tool_use": True}
        whole = self.create(tools=[WEATHER], tool_choice=choice, max_tokens=120)
        for limit in range(whole.usage.output_tokens - 12, whole.usage.output_tokens):
            self.check_stream(tools=[WEATHER], tool_choice=choice, max_tokens=limit)

    # -- thinking -------------------------------------------------------------------------------------------------

    def test_thinking(self):
        plain = self.create(thinking={"type": "disabled"})
        assert [b.type for b in plain.content] == ["text"] == [b.type for b in self.create().content]
        if not self.thinks:
            raise LeftOut("no thinking in the template")
        whole, events = self.check_stream(thinking={"type": "enabled", "budget_tokens": 20}, max_tokens=60)
        assert whole.content[0].type == "thinking" and whole.content[0].signature
        assert "".join(e.thinking for e in events if e.type == "thinking") == whole.content[0].thinking
        assert 0 < whole.usage.output_tokens_details.thinking_tokens <= 24
        turns = self.messages + [whole.to_param(), {"role": "user", "content": "Are you sure?"}]
        assert self.create(messages=turns).content

    # -- counting -------------------------------------------------------------------------------------------------

    def test_count_tokens(self):
        cases = [{}, {"system": "Answer briefly."}] + ([{"tools": [WEATHER]}] if self.calls else [])
        for case in cases:
            count = self.client.messages.count_tokens(model=self.model, messages=self.messages, **case).input_tokens
            usage = self.create(**case).usage
            assert count == usage.input_tokens + usage.cache_read_input_tokens

    # -- errors ---------------------------------------------------------------------------------------------------

    def refused(self, call, words, kind=anthropic.BadRequestError, name="invalid_request_error"):
        try:
            call()
        except kind as error:
            assert error.body["type"] == "error" and error.body["error"]["type"] == name, error.body
            assert words in error.body["error"]["message"], error.body
            return
        raise AssertionError(f"was accepted: {words}")

    def test_errors(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
        self.refused(lambda: self.create(body={"temperature": 5}), "temperature")
        self.refused(lambda: self.create(max_tokens=-1), "max_tokens")
        self.refused(lambda: self.create(messages=[]), "messages")
        self.refused(lambda: self.create(messages=[{"role": "user", "content": [image]}]), "messages/0/content/0/type is \"image\"")
        self.refused(lambda: self.create(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "tools/0/type")
        self.refused(lambda: self.create(thinking={"type": "enabled", "budget_tokens": 24}), "less than max_tokens")
        self.refused(lambda: self.create(body={"frobnicate": 1}), "frobnicate")
        self.refused(lambda: self.create(messages=[{"role": "user", "content": "word " * 40_000}]), "context")
        self.refused(lambda: self.create(model="absent"), "absent", anthropic.NotFoundError, "not_found_error")
        self.refused(lambda: list(self.client.messages.create(**self.arguments(body={"top_p": 7}), stream=True)), "top_p")

    # -- life -----------------------------------------------------------------------------------------------------

    def test_cancellation(self):
        """A client that leaves frees its place."""
        for index, _ in enumerate(stream := self.create(stream=True, max_tokens=2000, body={"ignore_eos": True})):
            if index == 5:
                break
        assert self.running() == 1
        stream.close()
        self.await_idle("stream")

        async def leave():
            async with httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=self.socket), timeout=300) as http:
                client = anthropic.AsyncAnthropic(api_key="none", base_url="http://quern", http_client=http, max_retries=0)
                call = asyncio.create_task(client.messages.create(**self.arguments(max_tokens=2000, body={"ignore_eos": True})))
                await asyncio.sleep(0.5)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)

        asyncio.run(leave())
        self.await_idle("whole answer")


if __name__ == "__main__":
    options = command_line(__doc__).parse_args()
    sys.exit(1 if Conformance(options.socket).run(options.only) else 0)
