// How a model spells a call of a function, read off its chat template.
//
// Both forms stand between `<tool_call>` and `</tool_call>`: Qwen2.5 and Qwen3 write one JSON object (the Hermes form),
// Qwen3-Coder and Qwen3.5 write XML-like parameters whose strings are not quoted.

public enum ToolForm: Sendable, Hashable {
    /// `{"name": …, "arguments": {…}}`
    case json
    /// `<function=…>` with a `<parameter=…>` per argument.
    case parameters

    static let open = "<tool_call>"
    static let close = "</tool_call>"

    /// Nil for a template that shows no calls, or calls in a form that is not known here.
    ///
    /// - Parameter template: the source of a chat template.
    public init?(template: String) {
        guard template.contains("tools"), template.contains(Self.open) else { return nil }
        if template.contains("<function=") && template.contains("<parameter=") {
            self = .parameters
        } else if template.contains("\"name\"") || template.contains("\\\"name\\\"") {
            self = .json
        } else {
            return nil
        }
    }
}
