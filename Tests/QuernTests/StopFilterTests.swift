// Stop strings: nothing of them is delivered, nothing else is lost, however the text is cut.
import Quern
import Testing

@Suite struct StopFilterTests {
    /// Feeds `text` in pieces of `size` scalars and returns what came out.
    private func run(_ text: String, stops: [String], size: Int) -> (out: String, stopped: Bool) {
        var filter = StopFilter(stops)
        var out = ""
        let scalars = Array(text.unicodeScalars)
        var index = 0
        while index < scalars.count {
            var piece = String.UnicodeScalarView()
            piece.append(contentsOf: scalars[index..<min(index + size, scalars.count)])
            let (ready, stop) = filter.append(String(piece))
            out += ready
            if let stop {
                #expect(stops.contains(stop))
                return (out, true)
            }
            index += size
        }
        return (out + filter.finish(), false)
    }

    @Test(arguments: 1...7) func cutsAreInvisible(_ size: Int) {
        let cases: [(String, [String], String, Bool)] = [
            ("hello world", [], "hello world", false),
            ("hello world", ["o w"], "hell", true),
            ("aaab", ["aab"], "a", true),
            ("ababac!", ["abac"], "ab", true),
            ("one END two", ["END", "one E"], "", true),
            ("no stop here EN", ["END"], "no stop here EN", false),
            ("日本語テキスト", ["テ"], "日本語", true),
            ("x\n\ny", ["\n\n"], "x", true),
        ]
        for (text, stops, expected, stopped) in cases {
            let result = run(text, stops: stops, size: size)
            #expect(Array(result.out.utf8) == Array(expected.utf8), "\(text) in pieces of \(size)")
            #expect(result.stopped == stopped)
        }
    }

    @Test func comparesBytesNotCanonicalForms() {
        // A composed and a decomposed e-acute are equal as Swift strings and different as bytes.
        #expect(run("cafe\u{301}!", stops: ["\u{e9}"], size: 1).stopped == false)
    }

    @Test func holdsBackOnlyWhatMayBecomeAStop() {
        var filter = StopFilter(["STOP"])
        #expect(filter.append("abcST").text == "abc")
        #expect(filter.append("X").text == "STX")
        #expect(filter.append("y").text == "y")
    }
}
