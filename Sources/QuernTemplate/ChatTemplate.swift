// A model's chat template: parsed once, rendered many times.
//
// The engine is a subset of Jinja written here because no available package interprets Jinja2. Invariant: rendering is a
// pure function of variables and clock; it opens no file and its cost is bounded by `TemplateLimits`.
import QuernJSON

/// A rendered prompt, cut where provenance changes.
public struct RenderedPrompt: Sendable, Equatable {
    public struct Segment: Sendable, Equatable {
        public var text: String
        /// Written by the template (true) or substituted from a variable (false).
        public var isTrusted: Bool

        public init(text: String, isTrusted: Bool) {
            self.text = text
            self.isTrusted = isTrusted
        }
    }

    public var segments: [Segment]

    public init(segments: [Segment]) { self.segments = segments }

    public var text: String { segments.map(\.text).joined() }
}

public struct ChatTemplate: Sendable {
    public let source: String
    private let body: [Statement]
    private let limits: TemplateLimits

    /// - Throws: `TemplateError` of kind `syntax` or `limit`, with the line.
    public init(source: String, limits: TemplateLimits = TemplateLimits()) throws(TemplateError) {
        self.source = source
        self.limits = limits
        body = try Parser.parse(source, limits: limits)
    }

    /// - Parameters:
    ///   - variables: `messages`, `add_generation_prompt` and whatever else the template reads; key order is kept.
    ///   - trusted: names of variables whose strings count as the template's own.
    /// - Throws: `TemplateError`; of kind `raised` when the template itself refused.
    public func render(
        _ variables: JSONObject, trusted: Set<String> = ["bos_token", "eos_token"], clock: TemplateClock = .now
    ) throws(TemplateError) -> RenderedPrompt {
        var values: [String: Value] = [:]
        for member in variables.members { values[member.key] = Value(member.value, isTrusted: trusted.contains(member.key)) }
        let output = try Interpreter(variables: values, limits: limits, clock: clock).render(body)
        return RenderedPrompt(segments: output.runs.map { RenderedPrompt.Segment(text: $0.text, isTrusted: $0.isTrusted) })
    }
}
