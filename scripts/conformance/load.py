#!/usr/bin/env python3
"""Holds a running daemon to its promises under load; prints one line per promise and exits 1 when one is broken.

    quern serve models/smollm2.quern &
    scripts/conformance/load.py --bench models/smollm2.quern

streams     64 chat streams at once: all complete, none reset, throughput beside `quern bench` of the same lengths and batch
idle        200 connections that say nothing cost nothing
slow        a client that does not read delays nobody
cancel      a client that leaves frees its slot within 250 ms
identical   200 requests of mixed lengths, seeds and priorities answer alike, alone and together
second-turn the next turn of a 2,000-token chat starts in a tenth of the first turn's time
grammars    64 clients with 64 heavy constraints disturb nobody: a bystander's p99 gap between tokens stays under twice its own
schema      decoding under a JSON Schema is at least 95 % as fast as without

Standard library only. Traffic goes to the Unix socket named, and nowhere else.
"""
import argparse
import asyncio
import json
import os
import random
import select
import socket
import statistics
import subprocess
import sys
import time


def default_socket():
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return os.environ.get("QUERN_SOCKET") or (
        f"{runtime}/quern/quern.sock" if runtime else f"/tmp/quern-{os.getuid()}/quern.sock")


class Client:
    def __init__(self, path):
        self.socket = path

    @staticmethod
    def request(body, path="/v1/chat/completions", method="POST"):
        data = json.dumps(body).encode() if body is not None else b""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: quern\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)

    async def open(self, body, path="/v1/chat/completions", method="POST"):
        reader, writer = await asyncio.open_unix_connection(self.socket, limit=1 << 22)
        writer.write(self.request(body, path, method))
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head, reader, writer

    async def whole(self, body, path="/v1/chat/completions", method="POST"):
        status, head, reader, writer = await self.open(body, path, method)
        raw = await reader.read()
        writer.close()
        if b"chunked" in head.lower():
            raw = dechunk(raw)
        return status, json.loads(raw)

    async def stream(self, body):
        """Text, seconds to the first token, tokens per second of it, and whether [DONE] came."""
        started = time.monotonic()
        body = dict(body, stream=True, stream_options={"include_usage": True})
        status, _, reader, writer = await self.open(body)
        text, first, done, usage, arrivals = "", None, False, None, []
        async for line in reader:
            line = line.strip()
            if not line.startswith(b"data: "):
                continue
            if line == b"data: [DONE]":
                done = True
                break
            event = json.loads(line[6:])
            if "error" in event:
                raise RuntimeError(event["error"]["message"])
            usage = event.get("usage") or usage
            for choice in event["choices"]:
                piece = choice["delta"].get("content")
                if piece:
                    first = first or time.monotonic() - started
                    arrivals.append(time.monotonic())
                    text += piece
        writer.close()
        return {"status": status, "text": text, "first": first, "done": done, "usage": usage, "arrivals": arrivals}


def dechunk(raw):
    out = b""
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        out, raw = out + raw[:length], raw[length + 2:]
    return out


def chat(text, **fields):
    return dict({"messages": [{"role": "user", "content": text}]}, **fields)


def words(count, seed=0):
    vocabulary = "stone grain wheel water flour miller river bread turn slow sack door light field".split()
    return " ".join(random.Random(seed).choice(vocabulary) for _ in range(count))


def collect(path, bodies):
    """Streams all of `bodies` at once; of each, the bytes that came and when. What they say is looked at afterwards: on a small
    machine a client that computes takes the processors from the daemon that it measures."""
    poll, waiting, received = select.epoll(), {}, [[] for _ in bodies]
    for index, body in enumerate(bodies):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        connection.sendall(Client.request(dict(body, stream=True, stream_options={"include_usage": True})))
        poll.register(connection, select.EPOLLIN)
        waiting[connection.fileno()] = (connection, received[index])
    while waiting:
        for descriptor, _ in poll.poll():
            connection, pieces = waiting[descriptor]
            try:
                data = connection.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if data:
                pieces.append((time.monotonic(), data))
            else:
                del waiting[descriptor]
                connection.close()
    return received


def read(pieces):
    """When the pieces of a stream's text came, its usage, and whether [DONE] did."""
    arrivals, usage, done, rest = [], None, False, b""
    for moment, data in pieces:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: [DONE]"):
                done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                usage = event.get("usage") or usage
                arrivals += [moment for choice in event.get("choices", []) if choice["delta"].get("content")]
    return arrivals, usage, done


async def streams(client, arguments):
    count, tokens, shares, bench_rates = 64, 128, [], []
    broken = generated = seconds = 0
    rates = []
    for turn in range(arguments.rounds + 1):        # the first one warms up
        bodies = [
            chat(f"Tell story number {turn * count + index}.", max_tokens=tokens, ignore_eos=True, seed=index) for index in range(count)]
        began = time.monotonic()
        answers = [read(pieces) for pieces in collect(client.socket, bodies)]
        seconds += time.monotonic() - began
        broken += sum(not done for _, _, done in answers)
        if broken:
            break
        generated += sum(usage["completion_tokens"] for _, usage, _ in answers)
        if turn == 0:
            continue
        # While all of them decode, as `quern bench` counts.
        start, end = max(times[0] for times, _, _ in answers), min(times[-1] for times, _, _ in answers)
        rates.append(sum(start < moment <= end for times, _, _ in answers for moment in times) / max(end - start, 1e-9))
        if arguments.bench:     # turn and turn about: a machine's speed changes with its neighbours
            bench_rates.append(bench(arguments, count, tokens, depth=answers[0][1]["prompt_tokens"]))
            shares.append(rates[-1] / bench_rates[-1])
    if not rates:
        return False, f"{count} streams, {broken} broken"
    note = ""
    if arguments.bench:
        each = ", ".join(f"{share:.0%}" for share in shares)
        note = f", {statistics.median(shares):.0%} of quern bench's {statistics.median(bench_rates):.0f} tok/s (each round: {each})"
    good = not broken and (not shares or statistics.median(shares) >= 0.9)
    return good, (
        f"{count} streams, {broken} broken, {generated} tokens in {seconds:.1f} s, {statistics.median(rates):.0f} tok/s together{note}")


def bench(arguments, batch, tokens, depth):
    """Tokens per second of the same load inside the engine."""
    result = subprocess.run(
        [arguments.quern, "bench", arguments.bench, "-p", "16", "-n", str(tokens), "--depth", str(depth), "--batch", str(batch), "-r", "1",
         "--json"], capture_output=True, text=True, check=True)
    return next(row["tokens_per_second"] for row in json.loads(result.stdout)["results"] if row["kind"] == "decode")


async def idle(client, arguments):
    body = chat("Count to ten.", max_tokens=96, temperature=0, ignore_eos=True)
    await client.whole(body)

    async def rate():
        answers = [await client.whole(body) for _ in range(5)]
        return statistics.median(answer[1]["timings"]["predicted_per_second"] for answer in answers)
    before = await rate()
    silent = [await asyncio.open_unix_connection(client.socket) for _ in range(200)]
    during = await rate()
    for _, writer in silent:
        writer.close()
    return during >= 0.85 * before, f"{during:.0f} tok/s beside 200 silent connections, {before:.0f} without"


async def slow(client, arguments):
    body = chat("Write a long story.", max_tokens=400, temperature=0, ignore_eos=True)
    expected = (await client.stream(body))["text"]
    stuck = []
    for index in range(8):
        fields = chat(words(20, index), max_tokens=1500, ignore_eos=True, stream=True)
        _, _, reader, writer = await client.open(fields)
        reader._transport.pause_reading()
        stuck.append(writer)
    answer = await client.stream(body)
    gaps = [b - a for a, b in zip(answer["arrivals"], answer["arrivals"][1:])]
    for writer in stuck:
        writer.close()
    good = answer["done"] and answer["text"] == expected
    return good, f"8 clients do not read; a bystander got its {len(answer['arrivals'])} pieces unchanged, p99 gap {percentile(gaps, 99) * 1000:.0f} ms"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)] if values else 0


async def running(client):
    status, head, reader, writer = await client.open(None, "/metrics", "GET")
    raw = await reader.read()
    writer.close()
    text = (dechunk(raw) if b"chunked" in head.lower() else raw).decode()
    return next(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith("quern_requests_running"))


async def cancel(client, arguments):
    times = []
    for index in range(20):
        _, _, reader, writer = await client.open(chat(words(5, index), max_tokens=2000, ignore_eos=True, stream=True))
        while b"content" not in await reader.readline():
            pass
        while b"\"content\":\"" not in await reader.readline():
            pass
        left = time.monotonic()
        writer.transport.abort()
        while await running(client) > 0:
            if time.monotonic() - left > 5:
                return False, "a slot was still taken 5 s after its client left"
        times.append(time.monotonic() - left)
    return max(times) <= 0.25, f"20 clients left; slots free after {statistics.median(times) * 1000:.0f} ms, {max(times) * 1000:.0f} ms at worst"


async def identical(client, arguments):
    randomness = random.Random(7)
    bodies = [
        chat(words(randomness.randint(1, 180), index), max_tokens=randomness.randint(1, 40), seed=index, temperature=0.9,
             priority=randomness.choice(["interactive", "default", "batch"]))
        for index in range(200)]

    async def text(body):
        status, answer = await client.whole(body)
        if status != 200:
            raise RuntimeError(answer["error"]["message"])
        return answer["choices"][0]["message"]["content"]
    alone = [await text(body) for body in bodies]
    limit = asyncio.Semaphore(100)     # one user may queue 128

    async def limited(body):
        async with limit:
            return await text(body)
    together = await asyncio.gather(*(limited(body) for body in bodies))
    same = sum(a == b for a, b in zip(alone, together))
    return same == len(bodies), f"{same} of {len(bodies)} answers are the same alone and together"


async def second_turn(client, arguments):
    ratios = []
    for attempt in range(3):
        messages = [{"role": "user", "content": f"{attempt} {words(arguments.turn_words, attempt + random.randrange(1 << 30))} Summarise."}]
        fields = {"max_tokens": 24, "temperature": 0, "ignore_eos": True}
        first = await client.stream(dict(fields, messages=messages))
        messages += [{"role": "assistant", "content": first["text"]}, {"role": "user", "content": "Shorter, please."}]
        second = await client.stream(dict(fields, messages=messages))
        ratios.append(second["first"] / first["first"])
        prompt = first["usage"]["prompt_tokens"]
    return min(ratios) <= 0.1, f"after {prompt} tokens the second turn starts in {statistics.median(ratios):.1%} of the first one's time"


async def grammars(client, arguments):
    body = chat("Write a long story.", max_tokens=256, temperature=0, ignore_eos=True)
    expected = (await client.stream(body))["text"]

    def gaps(answers):
        return [b - a for answer in answers for a, b in zip(answer["arrivals"], answer["arrivals"][1:])]
    alone = [await client.stream(body) for _ in range(2)]

    async def heavy(index):
        # No two alike, so that none is found compiled; each takes up to its two seconds.
        regex = f"x{random.randrange(1 << 30)}(a|b)*a(a|b){{{14 + index % 4}}}"
        return await client.whole(chat("x", max_tokens=1, structured_outputs={"regex": regex}))
    hostile = [asyncio.create_task(heavy(index)) for index in range(64)]
    await asyncio.sleep(0.2)
    together = [await client.stream(body) for _ in range(2)]
    done = sum(task.done() for task in hostile)
    for task in hostile:
        task.cancel()
    await asyncio.gather(*hostile, return_exceptions=True)
    before, during = percentile(gaps(alone), 99), percentile(gaps(together), 99)
    same = all(answer["text"] == expected for answer in together)
    return same and during < 2 * before, (
        f"p99 gap {during * 1000:.1f} ms beside 64 heavy constraints ({done} answered by then), {before * 1000:.1f} ms without; "
        f"text {'unchanged' if same else 'CHANGED'}")


async def schema(client, arguments):
    text = {"type": "object", "properties": {"story": {"type": "string", "minLength": 1900}}, "required": ["story"]}
    properties = {f"field{index}": {"type": "string", "minLength": 60, "maxLength": 90} for index in range(8)}
    many = {"type": "object", "properties": properties, "required": list(properties)}

    async def rate(**fields):
        answer = await client.whole(chat("Tell a long story as JSON.", max_tokens=128, temperature=0, ignore_eos=True, **fields))
        return answer[1]["timings"]["predicted_per_second"]
    kinds = {"free": {}, "text": {"json_schema": text}, "fields": {"json_schema": many}}
    rates = {name: [] for name in kinds}
    for _ in range(4):      # taking turns; the first compiles
        for name, fields in kinds.items():
            rates[name].append(await rate(**fields))
    free, *shaped = (statistics.median(values[1:]) for values in rates.values())
    return min(shaped) >= 0.95 * free, (
        f"{free:.1f} tok/s free; one long text {shaped[0]:.1f} ({shaped[0] / free:.1%}), eight bounded ones {shaped[1]:.1f} ({shaped[1] / free:.1%})")


async def main():
    checks = {"streams": streams, "idle": idle, "slow": slow, "cancel": cancel, "identical": identical, "second-turn": second_turn,
              "grammars": grammars, "schema": schema}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"which to run: {', '.join(checks)} (default: all)")
    parser.add_argument("--socket", default=default_socket(), help="the daemon's HTTP socket")
    parser.add_argument("--bench", metavar="MODEL", help="compare `streams` with `quern bench MODEL`")
    parser.add_argument("--quern", default="quern", help="the quern command, for --bench")
    parser.add_argument("--rounds", type=int, default=3, help="of `streams`; one more warms up")
    parser.add_argument("--turn-words", type=int, default=950, help="length of the first turn")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.checks if name not in checks]
    if unknown:
        parser.error(f"unknown check {unknown[0]}; there are {', '.join(checks)}")
    client, failed = Client(arguments.socket), 0
    for name in arguments.checks or checks:
        good, line = await checks[name](client, arguments)
        print(f"{'ok  ' if good else 'FAIL'} {name}: {line}", flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
