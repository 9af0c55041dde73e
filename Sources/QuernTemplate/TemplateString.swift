// Text that remembers who wrote it.
//
// Template literals are trusted, substituted variables are not; only trusted runs may be tokenised with special tokens.
// Operations that keep characters keep their provenance; operations that rewrite text are trusted only if all their
// inputs were. Invariant: no run is empty, neighbours differ in trust.

struct TemplateString: Sendable {
    struct Run: Sendable {
        var text: String
        var isTrusted: Bool
    }

    private(set) var runs: [Run] = []
    private(set) var byteCount = 0

    init() {}

    init(_ text: String, isTrusted: Bool) { append(text, isTrusted: isTrusted) }

    var text: String { runs.count == 1 ? runs[0].text : runs.map(\.text).joined() }
    var isEmpty: Bool { runs.isEmpty }
    var isTrusted: Bool { runs.allSatisfy(\.isTrusted) }

    mutating func append(_ text: String, isTrusted: Bool) {
        guard !text.isEmpty else { return }
        byteCount += text.utf8.count
        if let last = runs.indices.last, runs[last].isTrusted == isTrusted {
            runs[last].text += text
        } else {
            runs.append(Run(text: text, isTrusted: isTrusted))
        }
    }

    mutating func append(_ other: TemplateString) {
        for run in other.runs { append(run.text, isTrusted: run.isTrusted) }
    }

    static func + (a: TemplateString, b: TemplateString) -> TemplateString {
        var sum = a
        sum.append(b)
        return sum
    }

    /// Characters as Python sees them (code points), each with its provenance.
    struct Scalars {
        var values: [Unicode.Scalar]
        var trust: [Bool]

        var count: Int { values.count }

        func slice(_ range: Range<Int>) -> TemplateString { pick(Array(range)) }

        /// The characters at `indices`, in that order.
        func pick(_ indices: [Int]) -> TemplateString {
            var out = TemplateString()
            var view = String.UnicodeScalarView()
            var trusted = true
            for index in indices {
                if trust[index] != trusted {
                    out.append(String(view), isTrusted: trusted)
                    view = String.UnicodeScalarView()
                    trusted = trust[index]
                }
                view.append(values[index])
            }
            out.append(String(view), isTrusted: trusted)
            return out
        }
    }

    var scalars: Scalars {
        var all = Scalars(values: [], trust: [])
        for run in runs {
            let before = all.values.count
            all.values.append(contentsOf: run.text.unicodeScalars)
            all.trust.append(contentsOf: repeatElement(run.isTrusted, count: all.values.count - before))
        }
        return all
    }

    /// Replaces the text as a whole; trusted only if this string was.
    func mapped(_ transform: (String) -> String) -> TemplateString { TemplateString(transform(text), isTrusted: isTrusted) }

    /// Without the leading and trailing characters that `drops` accepts.
    func stripped(leading: Bool, trailing: Bool, _ drops: (Unicode.Scalar) -> Bool) -> TemplateString {
        let all = scalars
        var start = 0
        var end = all.count
        if leading { while start < end, drops(all.values[start]) { start += 1 } }
        if trailing { while end > start, drops(all.values[end - 1]) { end -= 1 } }
        return all.slice(start..<end)
    }

    /// Python's `str.split`: by a separator, or by runs of white space.
    func split(by separator: [Unicode.Scalar]?, max: Int) -> [TemplateString] {
        let all = scalars
        var parts: [TemplateString] = []
        var start = 0
        var index = 0
        guard let separator else {
            while true {
                while index < all.count, all.values[index].isPythonSpace { index += 1 }
                guard index < all.count else { return parts }
                if max >= 0, parts.count == max {
                    return parts + [all.slice(index..<all.count).stripped(leading: false, trailing: true) { $0.isPythonSpace }]
                }
                start = index
                while index < all.count, !all.values[index].isPythonSpace { index += 1 }
                parts.append(all.slice(start..<index))
            }
        }
        while index + separator.count <= all.count, max < 0 || parts.count < max {
            if all.values[index..<(index + separator.count)].elementsEqual(separator) {
                parts.append(all.slice(start..<index))
                index += separator.count
                start = index
            } else {
                index += 1
            }
        }
        return parts + [all.slice(start..<all.count)]
    }
}

extension Unicode.Scalar {
    /// `str.isspace`: White_Space and the four information separators.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}
