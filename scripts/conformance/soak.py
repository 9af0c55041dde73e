#!/usr/bin/env python3
"""Many clients that behave badly in random order, for as long as you like; then the daemon must be as it was before.

Every client does one thing after another: answers read to the end, streams left in the middle, readers that stop reading, malformed
HTTP (the probes of http_probe.py), bodies that are wrong, schemas, prompts on the pipe, descriptors sent along. A bystander asks the
same question all the time and must get the same answer every time. After `--seconds` and `--rest` seconds without anybody, the daemon
must have its descriptors and threads of the start, no temporary files, and no more than 64 MiB more memory.

    quern serve Tests/Fixtures/tiny-chat --socket /run/user/1000/quern/quern.sock &
    scripts/conformance/soak.py /run/user/1000/quern/quern.sock --pid $! --seconds 600

Standard library only. Prints what was done, and exits 1 when the daemon did not come back.
"""
import argparse
import array
import collections
import json
import os
import random
import socket
import sys
import threading
import time

import http_probe


def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    return client


def request(body, path="/v1/chat/completions"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


def chat(**fields):
    return {"messages": [{"role": "user", "content": fields.pop("text", "go")}], "max_tokens": fields.pop("tokens", 40), **fields}


def read_all(client):
    received = b""
    while piece := client.recv(1 << 16):
        received += piece
    return received


def ask(path, body, target="/v1/chat/completions"):
    with connect(path) as client:
        client.sendall(request(body, target))
        return read_all(client)


# What clients do: each takes the sockets' paths and a source of chance.

def answer(paths, chance):
    ask(paths[0], chat(text="a " * chance.randrange(1, 100), seed=chance.randrange(9), stream=chance.random() < 0.5))


def several(paths, chance):
    ask(paths[0], chat(n=chance.randrange(1, 5), tokens=8, logprobs=True, top_logprobs=3))


def schema(paths, chance):
    ask(paths[0], chat(tokens=30, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "object", "properties": {f"p{chance.randrange(1000)}": {"type": "integer"}, "q": {"enum": ["x", "y"]}},
        "additionalProperties": False, "required": ["q"]}}}))


def leave(paths, chance):
    with connect(paths[0]) as client:
        client.sendall(request(chat(stream=True, tokens=400, ignore_eos=True)))
        client.recv(chance.randrange(1, 2000))


def stop_reading(paths, chance):
    with connect(paths[0]) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request(chat(stream=True, tokens=400, ignore_eos=True)))
        time.sleep(chance.random())


def malformed(paths, chance):
    http_probe.exchange(paths[0], chance.choice(http_probe.PROBES)[2])


def wrong(paths, chance):
    ask(paths[0], chance.choice([
        b"", b"{", b"[" * 5000, b'{"messages":7}', b'{"messages":[],"max_tokens":-1}', json.dumps(chat(tokens=10**30)).encode(),
        json.dumps(chat(temperature="hot")).encode(), json.dumps(chat(text="a " * 20000)).encode(), os.urandom(2000)]))


def others(paths, chance):
    ask(paths[0], {"content": "h\u00e9llo " * chance.randrange(1, 500)}, "/tokenize")
    ask(paths[0], {"input": ["a", "b"]}, "/v1/embeddings")
    ask(paths[0], {"schema": {"pattern": "(a|b)*" * chance.randrange(1, 20)}}, "/v1/schema/check")


def pipe(paths, chance):
    with connect(paths[1]) as client:
        client.sendall(chance.choice([b"hello", b"", b"\xff\xfe", b'#quern {"max_tokens": 5}\nhi', b"#quern {\nhi", b"a " * 100]))
        client.shutdown(socket.SHUT_WR)
        if chance.random() < 0.7:
            read_all(client)


def descriptors(paths, chance):
    with connect(paths[0]) as client:
        ends = os.pipe()
        client.sendmsg([http_probe.get()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", ends))])
        for end in ends:
            os.close(end)
        read_all(client)


def trickle(paths, chance):
    with connect(paths[0]) as client:
        for byte in http_probe.get()[:chance.randrange(1, 60)]:
            client.sendall(bytes([byte]))


DEEDS = [answer, answer, answer, several, schema, leave, stop_reading, malformed, malformed, wrong, others, pipe, descriptors, trickle]


def state(pid):
    """Resident bytes, descriptors, threads, and files that have lost their names."""
    folder = f"/proc/{pid}"
    with open(folder + "/status") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    files = []
    for name in os.listdir(folder + "/fd"):
        try:
            files.append(os.readlink(f"{folder}/fd/{name}"))
        except FileNotFoundError:
            pass
    deleted = sum(name.endswith("(deleted)") and not name.startswith("/memfd") for name in files)
    return {"resident": int(fields["VmRSS"].split()[0]) * 1024, "descriptors": len(files), "threads": int(fields["Threads"]),
            "temporary files": deleted}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", help="the daemon's HTTP socket; the pipe socket is the .pipe beside it")
    parser.add_argument("--pid", type=int, required=True, help="of the daemon")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--rest", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    paths = (options.socket, os.path.splitext(options.socket)[0] + ".pipe")
    question = chat(text="what is a quern?", temperature=0, tokens=16)

    def told():
        received = ask(paths[0], question)
        head, _, body = received.partition(b"\r\n\r\n")
        if b" 503 " in head.split(b"\r\n")[0]:
            return None     # a full queue is an answer
        return json.loads(body)["choices"][0]["message"]["content"]

    try:
        expected = told()
    except OSError as error:
        sys.exit(f"soak.py: {paths[0]}: {error.strerror}; is the daemon there?")
    # Once everything has been done the daemon has whatever it keeps for good.
    for deed in dict.fromkeys(DEEDS):
        deed(paths, random.Random(0))
    time.sleep(2)
    before = state(options.pid)
    end = time.monotonic() + options.seconds
    done, troubles, differing, lock = collections.Counter(), collections.Counter(), [], threading.Lock()

    def client(number):
        chance = random.Random(options.seed * 1000 + number)
        while time.monotonic() < end:
            deed = chance.choice(DEEDS)
            try:
                deed(paths, chance)
            except (BrokenPipeError, ConnectionResetError):
                pass        # refused before everything was sent
            except Exception as error:
                with lock:
                    troubles[f"{deed.__name__}: {error!r}"] += 1
            with lock:
                done[deed.__name__] += 1

    def bystander():
        while time.monotonic() < end:
            text = told()
            with lock:
                done["bystander"] += 1
                if text is not None and text != expected:
                    differing.append(text)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
    threads.append(threading.Thread(target=bystander))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(options.rest)
    after = state(options.pid)
    print(f"{sum(done.values())} exchanges in {options.seconds:.0f} s: " + ", ".join(f"{name} {count}" for name, count in sorted(done.items())))
    for trouble, count in troubles.most_common(10):
        print(f"FAIL {count} times {trouble}")
    limits = {"resident": 64 << 20, "descriptors": 0, "threads": 0, "temporary files": 0}
    broken = [name for name, more in limits.items() if after[name] > before[name] + more]
    for name in limits:
        print(f"{'FAIL' if name in broken else 'ok  '} {name} {before[name]} before, {after[name]} after")
    print(f"{'FAIL' if differing else 'ok  '} {len(differing)} of {done['bystander']} answers of the bystander differ")
    same = told() == expected
    print(f"{'ok  ' if same else 'FAIL'} afterwards it answers as before")
    return 1 if broken or differing or troubles or not same else 0


if __name__ == "__main__":
    sys.exit(main())
