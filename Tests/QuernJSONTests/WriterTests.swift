// Text of values: compact for the wire, and as Python's json.dumps prints it.
import QuernJSON
import Testing

@Suite struct WriterTests {
    /// Right column: `json.dumps(value, ensure_ascii=False)` of CPython 3.12.
    @Test(arguments: [
        (["a": 1, "b": [true, nil, 1.5]], #"{"a": 1, "b": [true, null, 1.5]}"#),
        (.double(1), "1.0"), (.double(-0.0), "-0.0"), (.double(1e16), "1e+16"), (.double(1e15), "1000000000000000.0"),
        (.double(0.0001), "0.0001"), (.double(0.00001), "1e-05"), (.double(123456789.125), "123456789.125"),
        (.double(1.0e300), "1e+300"), (.double(.leastNonzeroMagnitude), "5e-324"), (.double(0.1), "0.1"),
        ("é\u{1}\n\"\\/\u{7F}", #""é\u0001\n\"\\/"# + "\u{7F}\""), ([:], "{}"), ([], "[]"), ([[], [:]], "[[], {}]"),
    ] as [(JSONValue, String)])
    func python(_ value: JSONValue, _ text: String) { #expect(value.serialized(.python) == text) }

    @Test func indentAndASCII() {
        var style = JSONStyle.python
        style.indent = 2
        style.escapesNonASCII = true
        style.sortsKeys = true
        let value: JSONValue = ["b": ["x"], "a": "é😀\"\u{1F}"]
        #expect(value.serialized(style) == "{\n  \"a\": \"\\u00e9\\ud83d\\ude00\\\"\\u001f\",\n  \"b\": [\n    \"x\"\n  ]\n}")
    }

    @Test func compactRoundTrips() throws {
        let value: JSONValue = ["a": [1, -2.5, "x\u{0}y\u{2028}", nil], "b": ["c": true]]
        #expect(try JSONValue(parsing: Array(value.serialized().utf8)) == value)
        #expect(!value.serialized().contains(" "))
    }
}
