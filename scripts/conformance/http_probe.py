#!/usr/bin/env python3
"""Malformed and unusual HTTP/1.1 against a quern daemon, each with what RFC 9110 and RFC 9112 expect.

Every probe is one exchange on a connection of its own. What is sent may carry a second, smuggled request behind the first; it counts
as a failure when that one is answered although the first had to end the connection. After every probe the daemon must still be well.
Uses the standard library only.

    quern serve MODEL --socket /run/user/1000/quern/quern.sock &
    scripts/conformance/http_probe.py /run/user/1000/quern/quern.sock
"""
import argparse
import re
import socket
import sys

REFUSED = {400}
BODY = b'{"content":"a"}'
# Answered with 200 if anybody takes it for a request.
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"
CLOSE = b"Connection: close\r\n"


def get(headers=b"Host: l\r\n" + CLOSE, target=b"/health", version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + headers + b"\r\n"


def post(headers, body=BODY, version=b"HTTP/1.1"):
    return b"POST /tokenize " + version + b"\r\nHost: l\r\nContent-Type: application/json\r\n" + headers + b"\r\n" + body


def chunked(body, headers=CLOSE):
    return post(b"Transfer-Encoding: chunked\r\n" + headers, body)


def framed(size):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (size, BODY)


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
GOOD = framed(len(BODY))

# name, section of RFC 9112 (or 9110 where it says so), what is sent, statuses that are right; None: closing in silence is right too.
# A probe that ends with SMUGGLED must get exactly one answer.
PROBES = [
    # Framing of bodies
    ("CL and TE", "6.1", post(LENGTH + b"Transfer-Encoding: chunked\r\n", GOOD) + SMUGGLED, REFUSED),
    ("TE and CL", "6.1", post(b"Transfer-Encoding: chunked\r\n" + LENGTH, GOOD) + SMUGGLED, REFUSED),
    ("two different lengths", "6.3", post(LENGTH + b"Content-Length: 3\r\n") + SMUGGLED, REFUSED),
    ("the same length twice", "6.3", post(LENGTH + LENGTH) + SMUGGLED, REFUSED),
    ("list of equal lengths", "6.3", post(b"Content-Length: 15, 15\r\n") + SMUGGLED, REFUSED),
    *((f"length {value!r}", "9110 8.6", post(b"Content-Length: " + value + b"\r\n") + SMUGGLED, REFUSED)
      for value in (b"+15", b"-1", b"0x0f", b"1 5", b"15abc", b"", b"18446744073709551631", b"9" * 40, b"1.5", b"\xef\xbc\x91")),
    *((f"transfer coding {value!r}", "6.1", post(b"Transfer-Encoding: " + value + b"\r\n", GOOD) + SMUGGLED, {400, 501})
      for value in (b"identity", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"xchunked", b"chunked;q=1", b"", b"\x0bchunked",
                    b"chunked, identity")),
    ("two transfer codings", "6.1", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", GOOD) + SMUGGLED, {400, 501}),
    ("TE with space before the colon", "5.1", post(b"Transfer-Encoding : chunked\r\n", GOOD) + SMUGGLED, REFUSED),
    ("TE hidden by a bare LF", "2.2", post(b"X: a\nTransfer-Encoding: chunked\r\n", GOOD) + SMUGGLED, REFUSED),
    ("TE in HTTP/1.0", "6.1", post(b"Transfer-Encoding: chunked\r\n", GOOD, b"HTTP/1.0") + SMUGGLED, {200, 400}),
    ("coding in capitals", "7", post(b"Transfer-Encoding: Chunked\r\n" + CLOSE, GOOD), {200}),
    *((f"chunk size {size!r}", "7.1", chunked(size + b"\r\n" + BODY + b"\r\n0\r\n\r\n", b"") + SMUGGLED, REFUSED)
      for size in (b"-f", b"+f", b"0xf", b"f f", b" f", b"", b"g", b"f" * 17, b"1" + b"0" * 16, b"f\x00", b"f\n", b"f_")),
    ("chunk longer than its size", "7.1", chunked(b"2\r\n" + BODY + b"\r\n0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("chunk without CRLF after it", "7.1", chunked(b"f\r\n" + BODY + b"0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("chunk ended by bare LF", "7.1", chunked(b"f\r\n" + BODY + b"\n0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("chunk size ended by bare LF", "7.1", chunked(b"f\n" + BODY + b"\r\n0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("chunk size ended by bare CR", "7.1", chunked(b"f\r" + BODY + b"\r\n0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("bare LF in a chunk extension", "7.1.1", chunked(b"f;a\n" + BODY + b"\r\n0\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("chunk extension", "7.1.1", chunked(b'f;a=b;c="d"\r\n' + BODY + b"\r\n0\r\n\r\n"), {200}),
    ("chunk extension of a mebibyte", "7.1.1", chunked(b"f;" + b"a" * (1 << 20) + b"\r\n" + BODY + b"\r\n0\r\n\r\n"), REFUSED),
    ("sizes with leading zeros", "7.1", chunked(b"000f\r\n" + BODY + b"\r\n000\r\n\r\n"), {200, 400}),
    ("trailer field", "7.1.2", chunked(b"f\r\n" + BODY + b"\r\n0\r\nX: 1\r\n\r\n"), {200}),
    ("trailer that is no field", "7.1.2", chunked(b"f\r\n" + BODY + b"\r\n0\r\nno field\r\n\r\n", b"") + SMUGGLED, REFUSED),
    ("trailers of a mebibyte", "7.1.2", chunked(b"f\r\n" + BODY + b"\r\n0\r\n" + b"X: 1\r\n" * 170_000 + b"\r\n"), {400, 431}),
    ("one byte to a chunk", "7.1", chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"), {200}),
    ("no length and bytes after", "6.3", post(CLOSE), {400, 411, 415}),
    # Header fields
    ("folded field", "5.2", get(b"Host: l\r\nX: 1\r\n folded\r\n") + SMUGGLED, REFUSED),
    ("folded with a tab", "5.2", get(b"Host: l\r\nX: 1\r\n\tfolded\r\n") + SMUGGLED, REFUSED),
    ("space before the first field", "2.2", get(b" X: 1\r\nHost: l\r\n") + SMUGGLED, REFUSED),
    ("space before the colon", "5.1", get(b"Host: l\r\nX : 1\r\n") + SMUGGLED, REFUSED),
    ("space in a name", "9110 5.6.2", get(b"Host: l\r\nX Y: 1\r\n") + SMUGGLED, REFUSED),
    ("no colon", "5", get(b"Host: l\r\nX\r\n") + SMUGGLED, REFUSED),
    ("empty name", "5", get(b"Host: l\r\n: 1\r\n") + SMUGGLED, REFUSED),
    ("name beyond ASCII", "9110 5.6.2", get(b"Host: l\r\nX\xff: 1\r\n") + SMUGGLED, REFUSED),
    ("NUL in a name", "9110 5.6.2", get(b"Host: l\r\nX\x00: 1\r\n") + SMUGGLED, REFUSED),
    ("NUL in a value", "9110 5.5", get(b"Host: l\r\nX: a\x00b\r\n") + SMUGGLED, REFUSED),
    ("bare CR in a value", "9110 5.5", get(b"Host: l\r\nX: a\rb\r\n") + SMUGGLED, REFUSED),
    ("control character in a value", "9110 5.5", get(b"Host: l\r\nX: a\x01b\r\n") + SMUGGLED, REFUSED),
    ("value beyond ASCII", "9110 5.5", get(b"Host: l\r\nX: \xe4\xff\r\n" + CLOSE), {200, 400}),
    ("empty value", "5", get(b"Host: l\r\nX:\r\n" + CLOSE), {200}),
    ("tabs around a value", "5", get(b"Host:\tl\t\r\n" + CLOSE), {200}),
    ("no host", "3.2", get(CLOSE), REFUSED),
    ("two hosts", "3.2", get(b"Host: l\r\nHost: m\r\n") + SMUGGLED, REFUSED),
    ("the same host twice", "3.2", get(b"Host: l\r\nHost: l\r\n") + SMUGGLED, REFUSED),
    ("host with a space", "3.2", get(b"Host: a b\r\n") + SMUGGLED, REFUSED),
    ("host with a path", "3.2", get(b"Host: a/b\r\n") + SMUGGLED, REFUSED),
    ("host with a user", "3.2", get(b"Host: u@a\r\n") + SMUGGLED, REFUSED),
    ("empty host", "3.2", get(b"Host:\r\n" + CLOSE), {200}),
    ("host of IPv6 with port", "3.2", get(b"Host: [::1]:80\r\n" + CLOSE), {200}),
    ("101 fields", "9110 5.4", get(b"Host: l\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(101))), {431}),
    ("100,000 fields", "9110 5.4", get(b"Host: l\r\n" + b"X: 1\r\n" * 100_000), {400, 431, None}),
    ("field of 40,000 bytes", "9110 5.4", get(b"Host: l\r\nX: " + b"a" * 40_000 + b"\r\n"), {431}),
    # Request lines
    ("bare LF everywhere", "2.2", b"GET /health HTTP/1.1\nHost: l\n\n" + SMUGGLED, {400, 505}),
    ("bare LF after the request line", "2.2", b"GET /health HTTP/1.1\nHost: l\r\n\r\n" + SMUGGLED, {400, 505}),
    ("bare CR in the request line", "2.2", b"GET /health\r HTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("empty lines before", "2.2", b"\r\n\r\n" + get(), {200, 400}),
    # Splitting at any white space would be allowed.
    ("two spaces before the target", "3", b"GET  /health HTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("two spaces before the version", "3", b"GET /health  HTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("two spaces in a field", "5", get(b"Host: l\r\nX:  a  b\r\n" + CLOSE), {200}),
    ("tab for space", "3", b"GET\t/health\tHTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("space at the end", "3", b"GET /health HTTP/1.1 \r\nHost: l\r\n\r\n" + SMUGGLED, {400, 505}),
    ("space in the target", "3.2", b"GET /health x HTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("NUL in the target", "3.2", get(target=b"/health\x00") + SMUGGLED, REFUSED),
    ("target beyond ASCII", "3.2", get(target=b"/h\xc3\xa4"), {400, 404}),
    ("target of 9,000 bytes", "3", get(target=b"/" + b"a" * 9000), {414}),
    ("target of 100,000 bytes", "3", get(target=b"/" + b"a" * 100_000), {400, 414, 431, None}),
    ("no target", "3", b"GET HTTP/1.1\r\nHost: l\r\n\r\n" + SMUGGLED, REFUSED),
    ("target without a slash", "3.2", get(target=b"health"), {400, 404}),
    ("fragment in the target", "3.2", get(target=b"/health#x"), {400, 404}),
    ("absolute form", "3.2.2", get(target=b"http://l/health"), {200}),
    ("absolute form of another scheme", "3.2.2", get(target=b"ftp://l/health"), {200, 400, 404, 421}),
    ("authority form", "3.2.3", get(target=b"l:80", method=b"CONNECT"), {400, 405, 501}),
    ("asterisk form", "3.2.4", get(target=b"*", method=b"OPTIONS"), {200, 204, 400, 404, 405}),
    ("asterisk with GET", "3.2.4", get(target=b"*"), {400, 404}),
    ("HTTP/1.0", "2.3", b"GET /health HTTP/1.0\r\n\r\n", {200}),
    ("HTTP/1.0 kept alive", "9.3", b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + b"GET /health HTTP/1.0\r\n\r\n", {200}),
    ("HTTP/0.9", "2.3", b"GET /health\r\n\r\n" + SMUGGLED, {400, 505, None}),
    *((f"version {version!r}", "2.3", get(version=version) + SMUGGLED, {400, 505})
      for version in (b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/1", b"HTTP/1.10", b"HTTP/11", b"http/1.1", b"HTTP/1,1", b"XTTP/1.1")),
    ("HTTP/1.2", "2.3", get(version=b"HTTP/1.2"), {200, 400, 505}),
    ("preface of HTTP/2", "9110 2.5", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505, None}),
    ("TLS hello", "2.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", {400, None}),
    # Methods
    ("unknown method", "9110 9.1", get(method=b"BREW"), {400, 405, 501}),
    ("method in lower case", "9110 9.1", get(method=b"get"), {400, 405, 501}),
    ("method that is no token", "9110 9.1", get(method=b"G(T") + SMUGGLED, REFUSED),
    ("OPTIONS", "9110 9.3.7", get(method=b"OPTIONS"), {200, 204, 405}),
    ("TRACE", "9110 9.3.8", get(method=b"TRACE"), {405, 501}),
    ("GET with a body", "9110 9.3.1", get(b"Host: l\r\n" + LENGTH + CLOSE) + BODY, {200, 400}),
    # Connections
    ("bytes after a closing request", "9.6", get() + SMUGGLED, {200}),
    ("upgrade", "9110 7.8", get(b"Host: l\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n"), {200}),
    ("expectation nobody knows", "9110 10.1.1", post(LENGTH + b"Expect: 200-ok\r\n" + CLOSE), {200, 417}),
    ("expectation of too much", "9110 10.1.1", post(b"Content-Length: 40000000\r\nExpect: 100-continue\r\n", b""), {400, 413, 417}),
    ("end in the middle of a head", "8", b"GET /health HTTP/1.1\r\nHost: l\r\n", {400, None}),
    ("end in the middle of a body", "8", post(b"Content-Length: 100\r\n"), {400, None}),
    ("end in the middle of a chunk", "8", chunked(b"f\r\n{", b""), {400, None}),
]


def exchange(path, data, timeout=15):
    """Sends everything, half-closes, and reads to the end: what came and how it ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        received = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass        # closed early: what it said is still there
        try:
            while part := connection.recv(1 << 16):
                received += part
        except TimeoutError:
            return received, "open"
        except OSError:
            return received, "reset"
        return received, "closed"


def statuses(received):
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def probe(path, data, expected):
    """What is wrong with the answer; empty when nothing is."""
    received, end = exchange(path, data)
    codes = statuses(received)
    if end == "open":
        return f"left open after {codes}"
    if not codes:
        return "" if None in expected else f"no answer, {end}"
    final = next((code for code in codes if code >= 200), None)
    if final not in expected:
        return f"{final}, not {' or '.join(str(code) for code in expected if code)}"
    if data.endswith(SMUGGLED) and len(codes) > 1 and 200 in codes[1:]:
        return f"the second request was answered: {codes}"
    return ""


def special(path):
    """Probes that compare bytes or orders: (name, section, what is wrong)."""
    received, _ = exchange(path, get(method=b"HEAD"))
    head, _, body = received.partition(b"\r\n\r\n")
    yield "HEAD has no body", "9110 9.3.2", "" if statuses(head) == [200] and not body else f"{received[:80]!r}"
    whole, _ = exchange(path, get())
    yield "Date is sent", "9110 6.6.1", "" if re.search(rb"(?i)\r\ndate: [A-Z][a-z]{2}, \d\d ", whole) else "no Date"
    allow, _ = exchange(path, get(target=b"/v1/completions"))
    yield "405 names what is allowed", "9110 15.5.6", "" if statuses(allow) == [405] and b"POST" in allow else f"{allow[:80]!r}"
    received, _ = exchange(path, post(LENGTH + b"Expect: 100-continue\r\n" + CLOSE))
    yield "100 comes before the answer", "9110 10.1.1", "" if statuses(received) in ([100, 200], [200]) else f"{statuses(received)}"
    received, _ = exchange(path, post(LENGTH + b"Expect: 100-continue\r\nConnection: close\r\n", version=b"HTTP/1.0"))
    yield "HTTP/1.0 gets no 100", "9110 10.1.1", "" if statuses(received) == [200] else f"{statuses(received)}"
    received, _ = exchange(path, b"GET /v1/models HTTP/1.0\r\n\r\n")
    yield "HTTP/1.0 gets no chunks", "7", "transfer-encoding was sent" if b"transfer-encoding" in received.lower() else ""
    received, _ = exchange(path, (post(LENGTH) + get(b"Host: l\r\n")) * 20 + get(target=b"/nowhere"))
    yield "requests sent ahead keep their order", "9.3.2", "" if statuses(received) == [200] * 40 + [404] else f"{statuses(received)}"
    received, _ = exchange(path, get(b"Host: l\r\n") * 3 + b"garbage\r\n\r\n" + SMUGGLED)
    yield "garbage ends what was sent ahead", "9.3.2", "" if statuses(received) == [200] * 3 + [400] else f"{statuses(received)}"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(15)
        connection.connect(path)
        for byte in get():
            connection.sendall(bytes([byte]))
        received = b""
        while part := connection.recv(1 << 16):
            received += part
    yield "split at every byte", "2.2", "" if statuses(received) == [200] else f"{received[:80]!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", help="the daemon's HTTP socket")
    parser.add_argument("--verbose", action="store_true", help="print every probe, not only what is wrong")
    arguments = parser.parse_args()
    path, total, wrong = arguments.socket, 0, 0

    def report(name, section, problem):
        nonlocal total, wrong
        if statuses(exchange(path, get())[0]) != [200]:
            problem = (problem + "; " if problem else "") + "the daemon is not well afterwards"
        total += 1
        wrong += bool(problem)
        where = f"RFC {section}" if section.startswith("9110") else f"RFC 9112 {section}"
        if problem or arguments.verbose:
            print(f"{'FAIL' if problem else 'ok  '} {name} ({where}){': ' + problem if problem else ''}", flush=True)
    for name, section, data, expected in PROBES:
        report(name, section, probe(path, data, expected))
    for name, section, problem in special(path):
        report(name, section, problem)
    print(f"{total - wrong} of {total} probes are answered as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
