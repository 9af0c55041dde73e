// Which keywords of JSON Schema are enforced, which say nothing about validity, and which are refused.
//
// Owns: the tables and the walk over every subschema that can matter. Invariant: a keyword that is in no table is refused, so
// that a misspelt or unsupported one never fails open.
import QuernJSON

enum SchemaKeywords {
    static let enforced: Set<String> = [
        "type", "properties", "required", "additionalProperties", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "items",
        "prefixItems", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength",
        "maxLength", "pattern", "format",
    ]
    static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment", "$schema",
        "$defs", "definitions", "contentEncoding", "contentMediaType",
    ]

    /// A keyword of a schema that can matter, with its place and what becomes of it.
    struct Finding {
        enum Fate { case enforced, annotation, refused(String) }

        let pointer: String
        let keyword: String
        let fate: Fate
    }

    /// The keywords of all schemas reachable from `place`.
    static func findings(
        _ place: SchemaLocation, of document: SchemaDocument, meter: inout Meter
    ) throws(GrammarError) -> [Finding] {
        var findings: [Finding] = []
        var seen: Set<SchemaLocation> = [place]
        var pending = [place]
        func visit(_ location: SchemaLocation) {
            if seen.insert(location).inserted { pending.append(location) }
        }
        while let location = pending.popLast() {
            guard case .object(let object) = location.value else { continue }
            for member in object.members {
                try meter.charge(8)
                let place = location.child(member.key, member.value)
                let fate = fate(of: member, at: location, in: document)
                findings.append(Finding(pointer: place.pointer, keyword: member.key, fate: fate))
                guard case .enforced = fate else { continue }
                switch member.key {
                case "properties", "anyOf", "oneOf", "allOf", "prefixItems":
                    for child in try location.children(of: member.key) { visit(child.location) }
                case "additionalProperties", "items": visit(place)
                case "$ref": visit(try document.target(of: location))
                default: break
                }
            }
        }
        return findings
    }

    private static func fate(
        of member: JSONObject.Member, at location: SchemaLocation, in document: SchemaDocument
    ) -> Finding.Fate {
        switch member.key {
        case "$id" where location == document.root: return .annotation
        case "uniqueItems" where member.value == .bool(false): return .annotation
        case "format":
            guard let name = member.value.stringValue, StringFormat.patterns[name] == nil else { return .enforced }
            return .refused("format '\(excerpt(name))' cannot be enforced; known: \(StringFormat.patterns.keys.sorted().joined(separator: ", "))")
        case _ where enforced.contains(member.key): return .enforced
        case _ where annotations.contains(member.key) || member.key.hasPrefix("x-"): return .annotation
        default: return .refused("keyword '\(excerpt(member.key))' cannot be enforced")
        }
    }

    /// - Throws: `unsupported` for the first keyword that is refused, naming the others too.
    static func requireEnforceable(
        _ place: SchemaLocation, of document: SchemaDocument, meter: inout Meter
    ) throws(GrammarError) {
        let refused = try findings(place, of: document, meter: &meter).compactMap { finding -> GrammarError? in
            guard case .refused(let reason) = finding.fate else { return nil }
            return GrammarError(.unsupported, reason, pointer: finding.pointer)
        }
        guard let first = refused.first else { return }
        let others = refused.dropFirst().prefix(8).map { excerpt($0.pointer) }
        let more = refused.count > 9 ? " and \(refused.count - 9) more" : ""
        throw GrammarError(
            .unsupported, first.reason + (others.isEmpty ? "" : " (also \(others.joined(separator: ", "))\(more))"),
            pointer: first.pointer)
    }
}
