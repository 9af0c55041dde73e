// What of a schema is enforced, before it is used: the answer of `schema check`.
import QuernJSON

public struct SchemaReport: Sendable {
    public struct Keyword: Sendable, Hashable {
        public let pointer: String
        public let keyword: String
    }

    /// Every answer satisfies these.
    public private(set) var enforced: [Keyword] = []
    /// These say nothing about validity.
    public private(set) var annotations: [Keyword] = []
    /// Why the schema is refused; empty for one that can be used.
    public private(set) var problems: [GrammarError] = []
    /// States of the automaton; nil for a schema that is refused.
    public private(set) var stateCount: Int?
    public private(set) var compileTime = Duration.zero

    /// - Parameter pointer: where the schema stands, for the places in the report.
    public init(_ schema: JSONValue, pointer: String = "", limits: GrammarLimits = GrammarLimits()) {
        let start = ContinuousClock.now
        do throws(GrammarError) {
            var meter = Meter(limits)
            let document = SchemaDocument(schema, pointer: pointer)
            for finding in try SchemaKeywords.findings(document.root, of: document, meter: &meter) {
                let keyword = Keyword(pointer: finding.pointer, keyword: finding.keyword)
                switch finding.fate {
                case .enforced: enforced.append(keyword)
                case .annotation: annotations.append(keyword)
                case .refused(let reason): problems.append(GrammarError(.unsupported, reason, pointer: finding.pointer))
                }
            }
            guard problems.isEmpty else { return }
            stateCount = try Grammar.schema(schema, spacing: .flexible, pointer: pointer).check(limits: limits)
        } catch {
            problems.append(error)
        }
        compileTime = .now - start
    }
}

/// The JSON types that a property of a schema allows, where that can be told without trying values.
public enum JSONSchemaTypes: Sendable {
    case strings, others, mixed

    /// `mixed` for a property that is not described, or in a way that cannot be read.
    public static func ofProperty(_ name: String, in schema: JSONValue) -> JSONSchemaTypes {
        let document = SchemaDocument(schema, pointer: "")
        guard let place = document.root.keyword("properties")?.keyword(name) else { return .mixed }
        var reader = SchemaReader(document: document, meter: Meter(GrammarLimits()))
        guard let shapes = try? reader.shapes([place]) else { return .mixed }
        var allowsStrings = false
        var allowsOthers = false
        for shape in shapes {
            if let values = shape.values {
                allowsStrings = allowsStrings || values.contains { $0.stringValue != nil }
                allowsOthers = allowsOthers || values.contains { $0.stringValue == nil }
            } else {
                allowsStrings = allowsStrings || shape.types.contains(.string)
                allowsOthers = allowsOthers || !shape.types.subtracting(.string).isEmpty
            }
        }
        return allowsStrings == allowsOthers ? .mixed : allowsStrings ? .strings : .others
    }
}
