// A prompt with places for a record: `{}` is the whole record, `{name}` a field of a JSON object.
//
// Braces around anything else are text, so that code and JSON can stand in a prompt; `{{}}` and `{{name}}` are the texts
// `{}` and `{name}`. A template without places is followed by the record, as `quern run` does with standard input.
import QuernJSON

struct PromptTemplate: Sendable {
    private enum Part {
        case text(String)
        case record
        case field(String)
    }

    private let parts: [Part]
    /// Whether records are JSON objects.
    let readsFields: Bool

    init(_ source: String) {
        var parts: [Part] = []
        var rest = Substring(source)
        var text = ""
        while let brace = rest.firstIndex(of: "{") {
            text += rest[..<brace]
            rest = rest[brace...]
            if let (name, end) = Self.place(rest.dropFirst()), !rest.dropFirst().hasPrefix("{") {
                if !text.isEmpty { parts.append(.text(text)) }
                text = ""
                parts.append(name.isEmpty ? .record : .field(String(name)))
                rest = rest[end...]
            } else if rest.hasPrefix("{{"), let (_, end) = Self.place(rest.dropFirst(2)), rest[end...].hasPrefix("}") {
                text += rest[rest.index(after: brace)..<end]
                rest = rest[rest.index(after: end)...]
            } else {
                text += "{"
                rest = rest.dropFirst()
            }
        }
        text += rest
        let hasPlaces = parts.contains { if case .text = $0 { false } else { true } }
        if !hasPlaces { text += text.isEmpty ? "" : "\n\n" }
        if !text.isEmpty { parts.append(.text(text)) }
        if !hasPlaces { parts.append(.record) }
        self.parts = parts
        readsFields = parts.contains { if case .field = $0 { true } else { false } }
    }

    /// The name before the first closing brace, and where that ends; nil when what stands there is no name.
    private static func place(_ text: Substring) -> (name: Substring, end: Substring.Index)? {
        let name = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == ".") }
        guard text[name.endIndex...].hasPrefix("}") else { return nil }
        return (name, text.index(after: name.endIndex))
    }

    /// The prompt for one record.
    /// - Throws: `Failure` naming what the record lacks.
    func prompt(for record: [UInt8]) throws -> String {
        guard let text = String(validating: record, as: UTF8.self) else { throw Failure(status: 65, message: "is not valid UTF-8") }
        var object: JSONObject?
        if readsFields {
            do {
                object = try JSONValue(parsing: record).objectValue
            } catch {
                throw Failure(status: 65, message: "is not JSON: \(error)")
            }
            guard object != nil else { throw Failure(status: 65, message: "is not a JSON object, which the template's fields need") }
        }
        return try parts.reduce(into: "") { prompt, part in
            switch part {
            case .text(let piece): prompt += piece
            case .record: prompt += text
            case .field(let name):
                guard let value = object?[name] else { throw Failure(status: 65, message: "has no field \"\(name)\"") }
                prompt += value.stringValue ?? value.serialized()
            }
        }
    }
}
