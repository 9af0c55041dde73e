// The report of `schema check` as JSON, the same for the command and the daemon.
import QuernGrammar
import QuernJSON

extension SchemaReport {
    /// `valid`, `enforced` and `annotations` (JSON Pointers), `problems` (`pointer`, `kind`, `message`), `states`, `compile_ms`.
    public var json: JSONValue {
        var object = JSONObject()
        object.append("valid", .bool(problems.isEmpty))
        object.append("enforced", .array(enforced.map { .string($0.pointer) }))
        object.append("annotations", .array(annotations.map { .string($0.pointer) }))
        object.append("problems", .array(problems.map { problem in
            var entry = JSONObject()
            entry.append("pointer", .string(problem.pointer))
            entry.append("kind", .string(problem.kind.name))
            entry.append("message", .string(problem.description))
            return .object(entry)
        }))
        object.append("states", stateCount.map { .int(Int64($0)) } ?? .null)
        object.append("compile_ms", .double((compileTime / .microseconds(1)).rounded() / 1000))
        return .object(object)
    }
}

extension GrammarError.Kind {
    /// The error code of the API.
    public var name: String {
        switch self {
        case .invalid: "invalid_schema"
        case .unsupported: "unsupported_keyword"
        case .tooComplex: "grammar_too_complex"
        case .cancelled: "cancelled"
        }
    }
}
