// What the strict reader accepts and what it refuses, with the offset it names.
import QuernJSON
import Testing

@Suite struct ReaderTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test(arguments: [
        ("null", JSONValue.null), (" true ", true), ("-0", 0), ("0.5", 0.5), ("1e2", 100.0), ("-12", -12),
        ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)), ("[]", []), ("{}", [:]),
        (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\ud83d\ude00""#, "é😀"), ("[1,[2],{}]", [1, [2], [:]]),
    ] as [(String, JSONValue)])
    func accepts(_ text: String, _ value: JSONValue) throws { #expect(try parse(text) == value) }

    @Test(arguments: [
        "", " ", "nul", "tru", "[1,]", "[,1]", "[1 2]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "01", "1.", ".5", "+1", "1e", "1e400",
        "-1e400", "NaN", "Infinity", "'a'", "\"a", "\"\u{1}\"", #""\x""#, #""\u12""#, #""\ud800""#, #""\udc00\ud800""#,
        #""\ud800x""#, "[1]]", "{}{}", "\u{FEFF}1", "[\"a\"", "{\"a\":1,\"a\":2}", #"{"a":1,"\u0061":2}"#, "--1", "1 1", "-",
    ])
    func refuses(_ text: String) { #expect(throws: JSONError.self) { try parse(text) } }

    @Test func refusesInvalidUTF8() {
        for bytes: [UInt8] in [[0xFF], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3]] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22] + bytes + [0x22]) }
        }
    }

    @Test func namesTheOffset() {
        #expect { try parse(#"{"a": [1, x]}"#) } throws: { ($0 as? JSONError)?.byteOffset == 10 }
        #expect { try parse(#"{"n":1,"n":2}"#) } throws: { ($0 as? JSONError)?.byteOffset == 7 }
    }

    /// `String` calls these two keys equal; a vocabulary needs both.
    @Test func keysAreComparedByBytes() throws {
        let value = try parse("{\"caf\u{E9}\":1,\"cafe\u{301}\":2}")
        #expect(value.objectValue?.count == 2)
        #expect(value["caf\u{E9}"] == 1)
        #expect(value["cafe\u{301}"] == 2)
        #expect(JSONValue.string("caf\u{E9}") != .string("cafe\u{301}"))
    }

    @Test func keepsTheOrderOfKeys() throws {
        let keys = (0..<40).map { "k\(($0 * 17) % 40)" }
        let text = "{" + keys.map { "\"\($0)\":0" }.joined(separator: ",") + "}"
        #expect(try parse(text).objectValue?.members.map(\.key) == keys)
        #expect(try parse(text).serialized() == text)
    }

    @Test func findsDuplicatesAmongMany() throws {
        let members = (0..<5000).map { "\"key\($0)\":\($0)" }
        _ = try parse("{" + members.joined(separator: ",") + "}")
        #expect(throws: JSONError.self) { try parse("{" + (members + ["\"key17\":0"]).joined(separator: ",") + "}") }
    }

    @Test func depthIsBounded() throws {
        func nested(_ count: Int) -> String { String(repeating: "[", count: count) + String(repeating: "]", count: count) }
        _ = try parse(nested(64))
        #expect(throws: JSONError.self) { try parse(nested(65)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "[", count: 1_000_000)) }
        #expect(throws: JSONError.self) { try parse(String(repeating: "{\"a\":", count: 1_000_000)) }
    }

    @Test func integersBeyond64BitsKeepTheirDigits() throws {
        let digits = "123456789012345678901234567890"
        #expect(try parse(digits).serialized() == digits)
        #expect(try parse(digits).intValue == nil)
        #expect(try parse("1.0").intValue == nil)
    }

    @Test func sizeIsBounded() {
        #expect(throws: JSONError.self) {
            try JSONValue(parsing: Array("[1,2,3]".utf8), limits: JSONLimits(maxByteCount: 6))
        }
    }

    /// Any damage to a document is an error or a value, never a trap.
    @Test func damageNeverTraps() {
        let text = Array(#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00",null,true],"b":{"c":"\\\"","d":123456789012345678901}}"#.utf8)
        var state: UInt64 = 42
        for _ in 0..<20_000 {
            var bytes = text
            for _ in 0..<2 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 25)
            }
            _ = try? JSONValue(parsing: bytes)
        }
        for count in 0..<text.count { _ = try? JSONValue(parsing: Array(text[..<count])) }
    }
}
