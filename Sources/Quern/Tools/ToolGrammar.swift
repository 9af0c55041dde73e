// What an answer with tools may look like, as a grammar: envelope, names and arguments.
//
// Owns: the spelling of calls, the same that ToolCallParser reads. Invariant: text outside calls never holds `<tool_call>`, so
// that a call cannot leak as text and text cannot be taken for a call.
import QuernGrammar
import QuernJSON

extension ToolSet {
    /// Most calls in one answer.
    static let maxCalls = 64

    /// The answers that are allowed, with a warning for every tool whose schema is not enforced as a whole.
    ///
    /// - Parameter content: what the answer may be where it is no call; nil for any text.
    /// - Throws: `GrammarError` when the schema of a strict tool cannot be enforced.
    public func grammar(
        _ form: ToolForm, content: Grammar? = nil, limits: GrammarLimits = GrammarLimits()
    ) throws(GrammarError) -> (grammar: Grammar, warnings: [GrammarError]) {
        let content = content ?? .text(avoiding: [ToolForm.open])
        var warnings: [GrammarError] = []
        var calls: [Grammar] = []
        for tool in callable {
            let call = try tool.call(form, limits: limits)
            calls.append(call.grammar)
            if let warning = call.warning { warnings.append(warning) }
        }
        guard !calls.isEmpty else { return (content, []) }
        let call = Grammar.choice(calls)
        let most = allowsParallelCalls ? Self.maxCalls : 1
        let further = Grammar.repeated(.sequence([.literal("\n"), call]), minimum: 0, maximum: most - 1)
        let all = most > 1 ? Grammar.sequence([call, further]) : call
        return (choice == .auto ? .sequence([content, .repeated(all, minimum: 0, maximum: 1)]) : all, warnings)
    }
}

extension ToolDefinition {
    fileprivate func call(_ form: ToolForm, limits: GrammarLimits) throws(GrammarError) -> (grammar: Grammar, warning: GrammarError?) {
        let strict = spelled(form, isFree: false)
        do {
            try strict.check(limits: limits)
            return (strict, nil)
        } catch where !isStrict && error.kind != .cancelled {
            return (spelled(form, isFree: true), error)
        }
    }

    /// - Parameter isFree: any arguments, instead of those the schema allows.
    private func spelled(_ form: ToolForm, isFree: Bool) -> Grammar {
        switch form {
        case .json:
            let arguments: Grammar = if let schema, !isFree {
                .schema(schema, spacing: .fixed, pointer: pointer)
            } else {
                .jsonObject(spacing: .fixed)
            }
            return .sequence([
                .literal("\(ToolForm.open)\n{\"name\": \"\(name)\", \"arguments\": "), arguments, .literal("}\n\(ToolForm.close)"),
            ])
        case .parameters:
            return .sequence([
                .literal("\(ToolForm.open)\n<function=\(name)>\n"), isFree || schema == nil ? Self.freeParameters : parameterGrammar,
                .literal("</function>\n\(ToolForm.close)"),
            ])
        }
    }

    /// The arguments are an object whatever the schema says of its type.
    private var schema: JSONValue? {
        guard var object = parameters?.objectValue else { return nil }
        if object["type"] == nil { object["type"] = "object" }
        return .object(object)
    }

    private var parameterGrammar: Grammar {
        guard let schema else { return Self.freeParameters }
        return .sequence(parameterNames.map { parameter in
            let value = Grammar.parameter(of: schema, name: parameter.name, avoiding: Self.closing, pointer: pointer)
            return .repeated(
                .sequence([.literal("<parameter=\(parameter.name)>\n"), value, .literal("\n\(Self.closing)\n")]),
                minimum: parameter.isRequired ? 1 : 0, maximum: 1)
        })
    }

    static let closing = "</parameter>"

    private static let freeParameters = Grammar.repeated(
        .sequence([
            .literal("<parameter="), .regex("[A-Za-z_][A-Za-z0-9_.-]{0,63}"), .literal(">\n"), .text(avoiding: [closing]),
            .literal("\n\(closing)\n"),
        ]), minimum: 0, maximum: 64)
}
