// Reads one call, from after `<tool_call>` to after `</tool_call>`, in the spelling that ToolGrammar writes.
//
// Arguments are delivered as pieces of JSON text; of the parameter form they are translated on the way. Invariant: what has been
// delivered never changes, so a piece goes out only when its meaning is certain.
import QuernGrammar
import QuernJSON

struct ToolCallParser: Sendable {
    enum Piece: Sendable {
        case name(String)
        case arguments(String)
    }

    enum Step {
        case needsMore
        case pieces([Piece])
        case ended([Piece])
        /// Not a call; the text that was read but not delivered.
        case malformed(String)
    }

    private enum Place {
        case header
        case name
        /// Between the name and the arguments.
        case bridge
        case object
        /// After the arguments of the JSON form.
        case footer
        case parameterOrEnd
        case parameterName
        case value(ParameterKind)
    }

    private let form: ToolForm
    private let tools: ToolSet?
    private var place = Place.header
    private var tool: ToolDefinition?
    private var json = JSONExtent()
    private var parameterCount = 0

    init(_ form: ToolForm, tools: ToolSet?) {
        self.form = form
        self.tools = tools
    }

    mutating func step(_ scanner: inout ByteScanner) -> Step {
        switch (place, form) {
        case (.header, _): return expect(form == .json ? "\n{\"name\": \"" : "\n<function=", &scanner, then: .name)
        case (.name, _):
            guard let name = scanner.take(until: form == .json ? "\"" : ">\n") else { return .needsMore }
            tool = tools?.tool(named: name)
            place = form == .json ? .bridge : .parameterOrEnd
            return .pieces([.name(name)] + (form == .json ? [] : [.arguments("{")]))
        case (.bridge, _): return expect(", \"arguments\": ", &scanner, then: .object)
        case (.object, _):
            let count = json.advance(scanner.held)
            if json.isComplete { place = .footer }
            return count == 0 ? .needsMore : .pieces([.arguments(scanner.take(count))])
        case (.footer, _): return end("}\n\(ToolForm.close)", &scanner)
        case (.parameterOrEnd, _):
            switch scanner.take("<parameter=") {
            case nil: return .needsMore
            case true?:
                place = .parameterName
                return .pieces([])
            case false?: return end("</function>\n\(ToolForm.close)", &scanner, closing: "}")
            }
        case (.parameterName, _):
            guard let name = scanner.take(until: ">\n") else { return .needsMore }
            let kind = tool?.kind(ofParameter: name) ?? .either
            place = .value(kind)
            parameterCount += 1
            let key = (parameterCount == 1 ? "" : ", ") + JSONValue.string(name).serialized() + ": "
            return .pieces([.arguments(key + (kind == .string ? "\"" : ""))])
        case (.value(let kind), _): return value(kind, &scanner)
        }
    }

    /// What has arrived of a value that was cut off.
    mutating func finish(_ scanner: inout ByteScanner) -> [Piece] {
        guard case .value(let kind) = place else { return [] }
        let text = scanner.takeAll()
        return text.isEmpty ? [] : [.arguments(kind == .string ? Self.escaped(text) : text)]
    }

    private mutating func expect(_ text: String, _ scanner: inout ByteScanner, then next: Place) -> Step {
        switch scanner.take(text) {
        case nil: return .needsMore
        case true?:
            place = next
            return .pieces([])
        case false?: return .malformed(scanner.takeAll())
        }
    }

    private func end(_ text: String, _ scanner: inout ByteScanner, closing: String = "") -> Step {
        switch scanner.take(text) {
        case nil: .needsMore
        case true?: .ended(closing.isEmpty ? [] : [.arguments(closing)])
        case false?: .malformed(scanner.takeAll())
        }
    }

    private mutating func value(_ kind: ParameterKind, _ scanner: inout ByteScanner) -> Step {
        let marker = "\n\(ToolDefinition.closing)\n"
        if let text = scanner.take(until: marker) {
            place = .parameterOrEnd
            switch kind {
            case .string: return .pieces([.arguments(Self.escaped(text) + "\"")])
            case .json: return .pieces([.arguments(text)])
            case .either:
                let value = try? JSONValue(parsing: Array(text.utf8))
                return .pieces([.arguments(value == nil || value?.stringValue != nil ? JSONValue.string(text).serialized() : text)])
            }
        }
        guard kind != .either else { return .needsMore }
        let text = scanner.takeReleased(before: marker)
        return text.isEmpty ? .needsMore : .pieces([.arguments(kind == .string ? Self.escaped(text) : text)])
    }

    /// Text as it stands between the quotes of a JSON string.
    private static func escaped(_ text: String) -> String { String(JSONValue.string(text).serialized().dropFirst().dropLast()) }
}

/// How the text of a parameter becomes JSON.
enum ParameterKind {
    /// Always a string.
    case string
    /// Never a string: the text is JSON.
    case json
    /// JSON if it is JSON, else a string.
    case either
}

extension ToolDefinition {
    func kind(ofParameter name: String) -> ParameterKind {
        guard let parameters else { return .either }
        switch JSONSchemaTypes.ofProperty(name, in: parameters) {
        case .strings: return .string
        case .others: return .json
        case .mixed: return .either
        }
    }
}

/// Finds the end of a JSON object in text that arrives in pieces.
private struct JSONExtent: Sendable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private(set) var isComplete = false

    /// Number of bytes that belong to the object.
    mutating func advance(_ bytes: [UInt8]) -> Int {
        for (index, byte) in bytes.enumerated() {
            if isEscaped {
                isEscaped = false
            } else if isInString {
                if byte == UInt8(ascii: "\\") { isEscaped = true }
                if byte == UInt8(ascii: "\"") { isInString = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "}"), UInt8(ascii: "]"):
                    depth -= 1
                    if depth == 0 {
                        isComplete = true
                        return index + 1
                    }
                default: break
                }
            }
        }
        return bytes.count
    }
}
