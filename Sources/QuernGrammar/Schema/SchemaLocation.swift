// A place in a schema document, and how references find one.
import QuernJSON

struct SchemaLocation: Hashable {
    /// JSON Pointer from the root of the document.
    let pointer: String
    let value: JSONValue

    static func == (a: SchemaLocation, b: SchemaLocation) -> Bool { a.pointer.utf8.elementsEqual(b.pointer.utf8) }
    func hash(into hasher: inout Hasher) { for byte in pointer.utf8 { hasher.combine(byte) } }

    func child(_ name: String, _ value: JSONValue) -> SchemaLocation {
        SchemaLocation(pointer: pointer + "/" + Self.escape(name), value: value)
    }

    /// The subschema under a keyword.
    func keyword(_ name: String) -> SchemaLocation? { value[name].map { child(name, $0) } }

    /// The subschemas of a keyword that holds a list or an object of them.
    func children(of name: String) throws(GrammarError) -> [(name: String, location: SchemaLocation)] {
        guard let list = keyword(name) else { return [] }
        switch list.value {
        case .array(let elements):
            guard !elements.isEmpty else { throw GrammarError(.invalid, "must not be empty", pointer: list.pointer) }
            return elements.enumerated().map { ("\($0)", list.child("\($0)", $1)) }
        case .object(let object): return object.members.map { ($0.key, list.child($0.key, $0.value)) }
        default: throw GrammarError(.invalid, "must hold schemas, not a \(list.value.typeName)", pointer: list.pointer)
        }
    }

    static func escape(_ name: String) -> String {
        var result = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "~": result += "~0"
            case "/": result += "~1"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// A schema document with its root.
struct SchemaDocument {
    let root: SchemaLocation
    /// Definitions by the reference that names them: a document may have thousands.
    private let definitions: [[UInt8]: SchemaLocation]

    /// - Parameter pointer: where the schema stands in a larger document, for error messages.
    init(_ value: JSONValue, pointer: String) {
        let root = SchemaLocation(pointer: pointer, value: value)
        var definitions: [[UInt8]: SchemaLocation] = [:]
        for keyword in ["$defs", "definitions"] {
            guard let place = root.keyword(keyword) else { continue }
            for member in place.value.objectValue?.members ?? [] {
                definitions[Array("#/\(keyword)/\(SchemaLocation.escape(member.key))".utf8)] = place.child(member.key, member.value)
            }
        }
        self.root = root
        self.definitions = definitions
    }

    /// The target of the `$ref` of `location`.
    ///
    /// - Throws: `unsupported` for anything outside the document, which is never fetched; `invalid` when nothing is there.
    func target(of location: SchemaLocation) throws(GrammarError) -> SchemaLocation {
        let place = location.pointer + "/$ref"
        guard let reference = location.value["$ref"]?.stringValue else {
            throw GrammarError(.invalid, "$ref must be a string", pointer: place)
        }
        guard reference.utf8.first == UInt8(ascii: "#") else {
            throw GrammarError(.unsupported, "only references inside the schema (#/…) are followed, nothing is fetched", pointer: place)
        }
        if let known = definitions[Array(reference.utf8)] { return known }
        var current = root
        for part in reference.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst() {
            let name = Self.unescape(part)
            let next: JSONValue? = switch current.value {
            case .object(let object): object[name]
            case .array(let elements): Int(name).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
            default: nil
            }
            guard let next else { throw GrammarError(.invalid, "nothing is at \(excerpt(reference))", pointer: place) }
            current = current.child(name, next)
        }
        guard reference.utf8.count == 1 || reference.utf8.dropFirst().first == UInt8(ascii: "/") else {
            throw GrammarError(.unsupported, "anchors cannot be followed; use a JSON Pointer (#/…)", pointer: place)
        }
        return current
    }

    private static func unescape(_ part: Substring.UTF8View.SubSequence) -> String {
        var bytes: [UInt8] = []
        var rest = Array(part)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "~"), let code = rest.first, code == 0x30 || code == 0x31 {
                rest.removeFirst()
                bytes.append(code == 0x30 ? UInt8(ascii: "~") : UInt8(ascii: "/"))
            } else if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                rest.removeFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
