#!/usr/bin/env python3
"""The official OpenAI client against a quern daemon, over its Unix socket.

Every answer is checked twice: for what a user of the client relies on, and against the schema of the same name in OpenAI's own
OpenAPI description, when that file is given.

    pip install -r scripts/conformance/requirements.txt
    quern serve MODEL --socket /run/user/1000/quern/quern.sock &
    scripts/conformance/openai_client.py /run/user/1000/quern/quern.sock --openapi openai-openapi.yaml
"""
import asyncio
import base64
import concurrent.futures
import json
import math
import struct
import sys
import time
import typing

import httpx
import jsonschema
import openai
import pydantic
import yaml

from checks import Checks, command_line


class Schemas:
    """Validates against the components of an OpenAPI file; without one, validates nothing."""

    def __init__(self, path):
        self.document = None
        if path:
            with open(path, encoding="utf-8") as file:
                self.document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            # Chunks of a stream have null for what comes with the last one or was not asked for, and nothing predicts the first
            # token of an echo: OpenAI's servers do not keep to the description there either.
            schemas = self.document["components"]["schemas"]
            for name in ("CreateCompletionResponse", "CreateChatCompletionStreamResponse"):
                choice = schemas[name]["properties"]["choices"]["items"]["properties"]
                choice["finish_reason"] = {"anyOf": [choice["finish_reason"], {"type": "null"}]}
                choice["logprobs"] = {"anyOf": [choice["logprobs"], {"type": "null"}]}
            lists = schemas["CreateCompletionResponse"]["properties"]["choices"]["items"]["properties"]["logprobs"]["anyOf"][0]
            lists = lists["anyOf"][0]["properties"]
            lists["token_logprobs"]["items"]["type"] = ["number", "null"]
            lists["top_logprobs"]["items"]["type"] = ["object", "null"]

    def check(self, name, instance):
        if self.document is None:
            return
        schema = {"$ref": f"#/components/schemas/{name}", "components": self.document["components"]}
        errors = list(jsonschema.Draft202012Validator(schema).iter_errors(instance))
        assert not errors, f"{name}: " + "; ".join(f"{list(e.absolute_path)}: {e.message[:200]}" for e in errors[:3])


class Conformance(Checks):
    def __init__(self, socket, schemas):
        self.socket = socket
        self.schemas = schemas
        self.title = f"openai {openai.__version__}, schemas {'checked' if schemas.document else 'not checked'}"
        self.http = httpx.Client(transport=httpx.HTTPTransport(uds=socket), timeout=300)
        self.client = openai.OpenAI(api_key="none", base_url="http://quern/v1", http_client=self.http, max_retries=0)
        self.model = self.client.models.list().data[0].id
        self.messages = [{"role": "user", "content": "Name three colours."}]

    def chat(self, **changes):
        arguments = {"model": self.model, "messages": self.messages, "max_tokens": 24, "temperature": 0}
        return self.client.chat.completions.create(**{**arguments, **changes})

    def complete(self, **changes):
        arguments = {"model": self.model, "prompt": "The capital of France is", "max_tokens": 12, "temperature": 0}
        return self.client.completions.create(**{**arguments, **changes})

    # -- models ---------------------------------------------------------------------------------------------------

    def test_models(self):
        models = self.client.models.list()
        self.schemas.check("Model", {k: v for k, v in models.data[0].to_dict().items() if k != "meta"})
        assert self.client.models.retrieve(self.model).id == self.model
        try:
            self.client.models.retrieve("absent")
            raise AssertionError("a model that is not there was found")
        except openai.NotFoundError as error:
            assert error.code == "model_not_found"

    # -- chat -----------------------------------------------------------------------------------------------------

    def test_chat(self):
        answer = self.chat()
        self.schemas.check("CreateChatCompletionResponse", answer.to_dict())
        choice = answer.choices[0]
        assert choice.message.role == "assistant" and choice.message.content
        assert choice.finish_reason in ("stop", "length")
        usage = answer.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        assert usage.prompt_tokens_details.cached_tokens >= 0
        assert answer.system_fingerprint
        for name in ("prompt_ms", "predicted_per_second", "ttft_ms"):
            assert answer.timings[name] >= 0

    def test_chat_parameters(self):
        answer = self.chat(
            n=2, seed=7, temperature=1.2, top_p=0.9, presence_penalty=0.5, frequency_penalty=0.5, stop=["\n\n\n"],
            logit_bias={"5": -100}, user="conformance", metadata={"suite": "openai"}, store=False, max_tokens=openai.omit,
            max_completion_tokens=16, extra_body={"top_k": 30, "min_p": 0.01, "repetition_penalty": 1.05, "min_tokens": 2})
        self.schemas.check("CreateChatCompletionResponse", answer.to_dict())
        assert [c.index for c in answer.choices] == [0, 1]
        again = self.chat(seed=7, temperature=1.2, max_tokens=16)
        assert again.choices[0].message.content == self.chat(seed=7, temperature=1.2, max_tokens=16).choices[0].message.content

    def test_chat_stream(self):
        whole = self.chat().choices[0].message.content
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        for chunk in chunks:
            self.schemas.check("CreateChatCompletionStreamResponse", chunk.to_dict())
        assert chunks[0].choices[0].delta.role == "assistant"
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
        assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] in (["stop"], ["length"])
        assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
        assert all(c.usage is None for c in chunks[:-1])

    def test_chat_logprobs(self):
        choice = self.chat(logprobs=True, top_logprobs=3).choices[0]
        content = choice.logprobs.content
        assert b"".join(bytes(entry.bytes) for entry in content).decode() == choice.message.content
        for entry in content:
            assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
            assert entry.top_logprobs[0].logprob == entry.logprob, "greedy decoding takes the likeliest token"
        self.schemas.check("CreateChatCompletionResponse", self.chat(logprobs=True, top_logprobs=3).to_dict())
        streamed = [e for c in self.chat(logprobs=True, top_logprobs=3, stream=True)
                    if c.choices[0].logprobs for e in c.choices[0].logprobs.content]
        assert [e.logprob for e in streamed] == [e.logprob for e in content]

    def test_prefill(self):
        prefix = "The three colours are"
        messages = self.messages + [{"role": "assistant", "content": prefix}]
        answer = self.chat(messages=messages, extra_body={"continue_final_message": True})
        assert answer.choices[0].message.content and not answer.choices[0].message.content.startswith(prefix)

    # -- completions ----------------------------------------------------------------------------------------------

    def test_completions(self):
        answer = self.complete()
        self.schemas.check("CreateCompletionResponse", answer.to_dict())
        many = self.complete(prompt=["One, two,", "Red, green,"], n=2, max_tokens=4)
        self.schemas.check("CreateCompletionResponse", many.to_dict())
        assert [c.index for c in many.choices] == [0, 1, 2, 3]
        assert many.choices[0].text == many.choices[1].text
        chunks = list(self.complete(stream=True))
        for chunk in chunks:
            self.schemas.check("CreateCompletionResponse", chunk.to_dict())
        assert "".join(c.choices[0].text for c in chunks if c.choices) == answer.choices[0].text

    def test_completion_logprobs_and_echo(self):
        answer = self.complete(echo=True, logprobs=2, max_tokens=3)
        self.schemas.check("CreateCompletionResponse", answer.to_dict())
        choice = answer.choices[0]
        assert choice.text.startswith("The capital of France is")
        logprobs = choice.logprobs
        lengths = {len(logprobs.tokens), len(logprobs.token_logprobs), len(logprobs.top_logprobs), len(logprobs.text_offset)}
        assert len(lengths) == 1
        assert logprobs.token_logprobs[0] is None and all(v <= 0 for v in logprobs.token_logprobs[1:])
        for token, offset in zip(logprobs.tokens, logprobs.text_offset):
            assert token.startswith("bytes:") or choice.text[offset:offset + len(token)] in (token, "")
        tokens = self.tokenize("The capital of France is")
        scored = self.complete(prompt=tokens, echo=True, logprobs=1, max_tokens=0).choices[0].logprobs
        assert scored.token_logprobs == logprobs.token_logprobs[:len(scored.token_logprobs)]

    def tokenize(self, text):
        return self.http.post("http://quern/tokenize", json={"content": text}).json()["tokens"]

    # -- embeddings -----------------------------------------------------------------------------------------------

    def test_embeddings(self):
        texts = ["a cat on a mat", "a feline on a rug", "tax law of 1986"]
        answer = self.client.embeddings.create(model=self.model, input=texts, encoding_format="float")
        self.schemas.check("CreateEmbeddingResponse", {k: v for k, v in answer.to_dict().items() if k != "timings"})
        vectors = [item.embedding for item in answer.data]
        assert all(abs(math.fsum(x * x for x in v) - 1) < 1e-4 for v in vectors)
        # The client asks for base64 unless told otherwise, and decodes it.
        assert self.client.embeddings.create(model=self.model, input=texts).data[0].embedding == vectors[0]
        raw = self.http.post("http://quern/v1/embeddings", json={"input": texts[0], "encoding_format": "base64"}).json()
        data = base64.b64decode(raw["data"][0]["embedding"])
        assert list(struct.unpack(f"<{len(data) // 4}f", data)) == [struct.unpack("<f", struct.pack("<f", x))[0] for x in vectors[0]]
        mean = self.client.embeddings.create(model=self.model, input=texts, extra_body={"pooling": "mean"}).data
        assert mean[0].embedding != vectors[0]
        close, far = (sum(a * b for a, b in zip(mean[0].embedding, mean[i].embedding)) for i in (1, 2))
        assert close > far, "mean pooling: the paraphrase is nearer than the stranger"

    # -- responses ------------------------------------------------------------------------------------------------

    TOOL = {
        "type": "function", "name": "get_weather", "description": "The weather of a city.", "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "Cologne", "Oslo"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["city", "days"], "additionalProperties": False,
        },
    }

    def respond(self, **changes):
        arguments = {"model": self.model, "input": "What is the weather in Cologne?", "max_output_tokens": 24, "temperature": 0}
        return self.client.responses.create(**{**arguments, **changes})

    def check_response_stream(self, **changes):
        """A stream adds up to the whole answer; every event satisfies the schema of its name."""
        whole = self.respond(**changes)
        self.schemas.check("Response", whole.to_dict())
        events = list(self.respond(stream=True, **changes))
        assert [e.sequence_number for e in events] == list(range(len(events)))
        names = {"response.output_text.delta": "ResponseTextDeltaEvent", "response.output_text.done": "ResponseTextDoneEvent"}
        for event in events:
            words = event.type.replace("response.", "Response_", 1).replace(".", "_").split("_")
            self.schemas.check(names.get(event.type, "".join(w[:1].upper() + w[1:] for w in words) + "Event"), event.to_dict())
        last = events[-1].response
        assert events[-1].type == f"response.{last.status}" and last.status == whole.status
        assert last.output_text == whole.output_text
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
        unlike = ("id", "call_id")
        assert [{k: v for k, v in i.to_dict().items() if k not in unlike} for i in last.output] == [
            {k: v for k, v in i.to_dict().items() if k not in unlike} for i in whole.output]
        return whole, events

    def test_responses(self):
        answer = self.respond(instructions="Answer briefly.", metadata={"suite": "openai"}, store=False)
        self.schemas.check("Response", answer.to_dict())
        assert answer.output_text and answer.status in ("completed", "incomplete")
        assert answer.store is False and answer.metadata == {"suite": "openai"} and answer.instructions == "Answer briefly."
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
        assert answer.timings["predicted_per_second"] >= 0
        count = self.client.responses.input_tokens.count(model=self.model, input="Hello", instructions="Answer briefly.")
        assert count.input_tokens == self.respond(input="Hello", instructions="Answer briefly.").usage.input_tokens
        # The idiom of the client: what came out goes back in.
        turns = [{"role": "user", "content": "Name a colour."}]
        turns += self.respond(input=turns).output
        again = self.respond(input=turns + [{"role": "user", "content": "Another."}])
        assert again.output_text and again.usage.input_tokens_details.cached_tokens > 0

    def test_responses_stream(self):
        self.check_response_stream()
        with self.client.responses.stream(model=self.model, input="Say hello.", temperature=0, max_output_tokens=200) as stream:
            text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        assert text

    def test_responses_format(self):
        class Colour(pydantic.BaseModel):
            name: typing.Literal["red", "blue"]
            depth: typing.Literal[1, 2, 3]

        parsed = self.client.responses.parse(
            model=self.model, input="Name a colour.", text_format=Colour, temperature=0, max_output_tokens=100)
        self.schemas.check("Response", parsed.to_dict())
        assert isinstance(parsed.output_parsed, Colour)
        text = {"format": {"type": "json_schema", "name": "colour", "schema": Colour.model_json_schema()}}
        whole, _ = self.check_response_stream(text=text, max_output_tokens=100)
        assert Colour.model_validate_json(whole.output_text)
        self.check_response_stream(text={"format": {"type": "json_object"}}, max_output_tokens=16)

    def test_responses_tools(self):
        template = self.http.get("http://quern/props").json()["chat_template"] or ""
        if "<tool_call>" not in template:
            return self.refused("tools", lambda: self.respond(tools=[self.TOOL]))
        choice = {"tools": [self.TOOL], "parallel_tool_calls": False, "max_output_tokens": 120}
        whole, events = self.check_response_stream(tool_choice="required", **choice)
        call = whole.output[-1]
        assert call.type == "function_call" and call.name == "get_weather" and call.status == "completed"
        assert json.loads(call.arguments)["city"] in ("Paris", "Cologne", "Oslo")
        assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == call.arguments
        self.check_response_stream(tool_choice={"type": "function", "name": "get_weather"}, **choice)
        turns = [{"role": "user", "content": "What is the weather in Cologne?"}] + whole.output
        self.refused("input/1", lambda: self.respond(input=turns, tools=[self.TOOL]))
        turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"})
        assert self.respond(input=turns, tools=[self.TOOL], tool_choice="none").output_text

    def test_responses_reasoning(self):
        template = self.http.get("http://quern/props").json()["chat_template"] or ""
        whole, events = self.check_response_stream(
            reasoning={"effort": "low"}, extra_body={"thinking_token_budget": 20}, max_output_tokens=60)
        if "</think>" not in template:
            return
        assert whole.output[0].type == "reasoning" and 0 < whole.usage.output_tokens_details.reasoning_tokens <= 24
        thought = "".join(e.delta for e in events if e.type == "response.reasoning_text.delta")
        assert thought == whole.output[0].content[0].text
        turns = [{"role": "user", "content": "Hello."}] + whole.output + [{"role": "user", "content": "Are you sure?"}]
        assert self.respond(input=turns, reasoning={"effort": "none"}).output[0].type == "message"

    def test_responses_store_nothing(self):
        self.refused("store", lambda: self.respond(store=True))
        self.refused("previous_response_id", lambda: self.respond(previous_response_id="resp_1"))
        self.refused("background", lambda: self.respond(background=True))
        self.refused("tools/0/type", lambda: self.respond(tools=[{"type": "web_search"}]))
        self.refused("frobnicate", lambda: self.respond(extra_body={"frobnicate": 1}))
        image = {"role": "user", "content": [{"type": "input_image", "image_url": "x", "detail": "auto"}]}
        self.refused("input/0/content/0", lambda: self.respond(input=[image]))

    def refused(self, param, call):
        try:
            call()
        except openai.BadRequestError as error:
            assert error.param.startswith(param), f"{param}: {error.body}"
            return self.schemas.check("Error", error.body)
        raise AssertionError(f"{param} was accepted")

    # -- files and batches ----------------------------------------------------------------------------------------

    def rows(self, count):
        """A batch's input: rows that can be answered, and the last one not."""
        bodies = [{"model": self.model, "messages": self.messages, "max_tokens": 8, "temperature": 0} for _ in range(count)]
        bodies[-1]["temperature"] = 9
        return "".join(json.dumps({"custom_id": f"row-{i}", "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"
                       for i, body in enumerate(bodies)).encode()

    def test_files(self):
        content = self.rows(3)
        made = self.client.files.create(file=("rows.jsonl", content), purpose="batch")
        self.schemas.check("OpenAIFile", made.to_dict())
        assert made.bytes == len(content) and made.filename == "rows.jsonl" and made.purpose == "batch"
        assert self.client.files.retrieve(made.id).to_dict() == made.to_dict()
        assert self.client.files.content(made.id).content == content
        self.schemas.check("ListFilesResponse", self.http.get("http://quern/v1/files").json())
        assert made.id in [file.id for file in self.client.files.list(purpose="batch", limit=1)], "pages follow each other"
        gone = self.client.files.delete(made.id)
        self.schemas.check("DeleteFileResponse", gone.to_dict())
        assert gone.deleted
        for call in (lambda: self.client.files.retrieve(made.id), lambda: self.client.files.content(made.id)):
            try:
                call()
                raise AssertionError("a deleted file was found")
            except openai.NotFoundError as error:
                assert error.code == "file_not_found"
        try:
            self.client.files.create(file=("x.jsonl", content), purpose="fine-tune")
            raise AssertionError("a file for fine-tuning was accepted")
        except openai.BadRequestError as error:
            assert error.param == "purpose"

    def batch(self, count):
        file = self.client.files.create(file=("rows.jsonl", self.rows(count)), purpose="batch")
        made = self.client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"suite": "openai"})
        self.schemas.check("Batch", made.to_dict())
        assert made.status == "validating" and made.metadata == {"suite": "openai"}
        return made

    def await_batch(self, batch, is_enough=lambda b: b.status in ("completed", "failed", "expired", "cancelled")):
        start = time.monotonic()
        while not is_enough(batch):
            assert time.monotonic() - start < 300, f"the batch does not end: {batch}"
            time.sleep(0.05)
            batch = self.client.batches.retrieve(batch.id)
        self.schemas.check("Batch", batch.to_dict())
        return batch

    def results(self, file_id):
        return [json.loads(line) for line in self.client.files.content(file_id).text.splitlines()]

    def test_batches(self):
        batch = self.await_batch(self.batch(8))
        assert batch.status == "completed" and batch.request_counts.to_dict() == {"total": 8, "completed": 7, "failed": 1}
        answered, failed = self.results(batch.output_file_id), self.results(batch.error_file_id)
        assert {row["custom_id"] for row in answered} == {f"row-{i}" for i in range(7)}
        expected = self.chat(max_tokens=8).choices[0].message.content
        for row in answered:
            assert row["error"] is None and row["response"]["status_code"] == 200
            self.schemas.check("CreateChatCompletionResponse", row["response"]["body"])
            assert row["response"]["body"]["choices"][0]["message"]["content"] == expected
        assert failed[0]["custom_id"] == "row-7" and failed[0]["response"]["body"]["error"]["param"] == "temperature"
        self.schemas.check("ListBatchesResponse", self.http.get("http://quern/v1/batches").json())
        assert batch.id in [b.id for b in self.client.batches.list(limit=1)]

    def test_batch_cancellation(self):
        batch = self.await_batch(self.batch(200), lambda b: b.status == "in_progress")
        self.schemas.check("Batch", self.client.batches.cancel(batch.id).to_dict())
        batch = self.await_batch(batch)
        assert batch.status == "cancelled"
        rows = [row for file in (batch.output_file_id, batch.error_file_id) if file for row in self.results(file)]
        assert sorted(row["custom_id"] for row in rows) == sorted(f"row-{i}" for i in range(200))
        assert any(row["error"] and row["error"]["code"] == "batch_cancelled" for row in rows)

    # -- errors ---------------------------------------------------------------------------------------------------

    def test_errors(self):
        cases = [
            ("temperature", lambda: self.chat(temperature=5), openai.BadRequestError),
            ("n", lambda: self.chat(n=100), openai.BadRequestError),
            ("tool_choice", lambda: self.chat(extra_body={"tool_choice": "required"}), openai.BadRequestError),
            ("frobnicate", lambda: self.chat(extra_body={"frobnicate": 1}), openai.BadRequestError),
            ("top_logprobs", lambda: self.chat(top_logprobs=2), openai.BadRequestError),
            ("model", lambda: self.chat(model="absent"), openai.NotFoundError),
        ]
        for param, call, kind in cases:
            try:
                call()
                raise AssertionError(f"{param} was accepted")
            except kind as error:
                assert error.param.startswith(param), f"{param}: {error.body}"
                self.schemas.check("Error", error.body)
        try:
            self.chat(messages=[{"role": "user", "content": "word " * 40_000}])
            raise AssertionError("a prompt longer than the context was accepted")
        except openai.BadRequestError as error:
            assert error.code == "context_length_exceeded"
            assert error.body["n_prompt_tokens"] > error.body["n_ctx"]

    # -- life -----------------------------------------------------------------------------------------------------

    def test_cancellation(self):
        """A client that leaves frees its place; the time until then is printed."""
        assert self.running() == 0
        stream = self.chat(stream=True, max_tokens=2000, extra_body={"ignore_eos": True})
        for index, _ in enumerate(stream):
            if index == 3:
                break
        assert self.running() == 1
        stream.close()
        self.await_idle("stream")

        async def leave():
            transport = httpx.AsyncHTTPTransport(uds=self.socket)
            async with httpx.AsyncClient(transport=transport, timeout=300) as http:
                client = openai.AsyncOpenAI(api_key="none", base_url="http://quern/v1", http_client=http, max_retries=0)
                call = asyncio.create_task(client.chat.completions.create(
                    model=self.model, messages=self.messages, max_tokens=2000, extra_body={"ignore_eos": True}))
                await asyncio.sleep(0.5)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)

        asyncio.run(leave())
        self.await_idle("whole answer")

    def test_concurrency(self):
        def ask(seed):
            return self.chat(seed=seed, temperature=1, max_tokens=16).choices[0].message.content

        alone = [ask(seed) for seed in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == alone

    def test_utilities(self):
        def post(path, body):
            return self.http.post("http://quern" + path, json=body).json()

        text = "Grüße, 世界 🌍"
        assert post("/detokenize", {"tokens": post("/tokenize", {"content": text})["tokens"]})["content"] == text
        prompt = post("/apply-template", {"messages": self.messages})["prompt"]
        count = post("/v1/chat/completions/input_tokens", {"messages": self.messages})["input_tokens"]
        assert count == len(post("/tokenize", {"content": prompt})["tokens"])
        assert self.chat(max_tokens=1).usage.prompt_tokens == count
        assert self.http.get("http://quern/props").json()["total_slots"] > 0


if __name__ == "__main__":
    parser = command_line(__doc__)
    parser.add_argument("--openapi", help="OpenAI's openapi.yaml")
    options = parser.parse_args()
    sys.exit(1 if Conformance(options.socket, Schemas(options.openapi)).run(options.only) else 0)
