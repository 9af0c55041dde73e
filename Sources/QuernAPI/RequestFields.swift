// Strict reading of a request object: every field typed and bounded, every unknown field refused by name.
//
// Invariant: a field is either read or reported; nothing a client sends is silently ignored.
import QuernJSON

struct RequestFields {
    let object: JSONObject
    /// Prefix of names in errors, for an object inside a request: `stream_options/`.
    private let path: String
    private var known: Set<String> = []

    init(_ json: JSONValue, path: String? = nil) throws(APIError) {
        guard let object = json.objectValue else {
            throw .invalid(path, "\(path ?? "the request body") is \(json.typeName), expected an object")
        }
        self.object = object
        self.path = path.map { $0 + "/" } ?? ""
    }

    /// The member, with null treated as absent.
    mutating func value(_ key: String) -> JSONValue? {
        known.insert(key)
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    mutating func string(_ key: String) throws(APIError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.stringValue else { throw wrongType(key, value, "a string") }
        return text
    }

    mutating func required(_ key: String) throws(APIError) -> String {
        guard let text = try string(key) else { throw .invalid(path + key, "\(path)\(key) is missing") }
        return text
    }

    /// Reads a field that says nothing unless it differs from `allowed`, where nil is its absence.
    mutating func expect(_ key: String, _ allowed: [String?]) throws(APIError) {
        let text = try string(key)
        guard !allowed.contains(text) else { return }
        let names = allowed.compactMap { $0 }.joined(separator: ", ")
        guard let text else { throw .invalid(path + key, "\(path)\(key) is missing, allowed is \(names)") }
        throw outside(key, "\"\(text.prefix(64))\"", names)
    }

    mutating func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let flag = value.boolValue else { throw wrongType(key, value, "true or false") }
        return flag
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(key) else { return nil }
        if case .bigInteger = value { throw outside(key, "too large", "\(range.lowerBound)...\(range.upperBound)") }
        guard let wide = value.intValue, let number = Int(exactly: wide) else { throw wrongType(key, value, "an integer") }
        guard range.contains(number) else { throw outside(key, "\(number)", "\(range.lowerBound)...\(range.upperBound)") }
        return number
    }

    mutating func number(_ key: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.doubleValue else { throw wrongType(key, value, "a number") }
        guard range.contains(number) else { throw outside(key, "\(number)", "\(range.lowerBound)...\(range.upperBound)") }
        return number
    }

    /// One of the names of `Choice`.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, of type: Choice.Type
    ) throws(APIError) -> Choice? where Choice.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw outside(key, "\"\(text.prefix(64))\"", type.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    mutating func tokens(_ key: String, limit: Int) throws(APIError) -> [Int32] {
        guard let value = value(key) else { return [] }
        return try Self.tokens(value, path + key, limit: limit)
    }

    static func tokens(_ value: JSONValue, _ name: String, limit: Int) throws(APIError) -> [Int32] {
        guard let list = value.arrayValue, list.count <= limit else {
            throw .invalid(name, "\(name) is not a list of at most \(limit) token ids")
        }
        var tokens: [Int32] = []
        tokens.reserveCapacity(list.count)
        for (index, element) in list.enumerated() {
            guard let wide = element.intValue, let token = Int32(exactly: wide) else {
                throw .invalid("\(name)/\(index)", "\(name)/\(index) is not a token id")
            }
            tokens.append(token)
        }
        return tokens
    }

    /// The object under `key`, read by `body` and finished.
    mutating func nested<Value>(
        _ key: String, _ body: (inout RequestFields) throws(APIError) -> Value
    ) throws(APIError) -> Value? {
        guard let value = value(key) else { return nil }
        var fields = try RequestFields(value, path: path + key)
        let result = try body(&fields)
        try fields.finish()
        return result
    }

    /// Refuses a field that exists in the protocol and not here, unless it has its neutral value.
    mutating func refuse(
        _ key: String, because reason: String = "is not supported by this server",
        unless isNeutral: (JSONValue) -> Bool = { _ in false }
    ) throws(APIError) {
        guard let value = value(key), !isNeutral(value) else { return }
        throw .invalid(path + key, "\(path)\(key) \(reason)", code: "unsupported_parameter")
    }

    /// Refuses whatever was not asked for, with the field that was probably meant.
    func finish() throws(APIError) {
        for member in object.members where !known.contains(member.key) {
            let name = String(member.key.prefix(64))
            let likely = known.min { Self.distance($0, name) < Self.distance($1, name) }
            let hint = likely.flatMap { Self.distance($0, name) <= 2 ? "; did you mean \"\($0)\"?" : nil } ?? ""
            throw .invalid(path + name, "unknown field \"\(path)\(name)\"\(hint)", code: "unknown_parameter")
        }
    }

    func wrongType(_ key: String, _ value: JSONValue, _ expected: String) -> APIError {
        .invalid(path + key, "\(path)\(key) is \(value.typeName), expected \(expected)")
    }

    private func outside(_ key: String, _ found: String, _ allowed: String) -> APIError {
        .invalid(path + key, "\(path)\(key) is \(found), allowed is \(allowed)")
    }

    /// Edits between two names (Levenshtein).
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.utf8), Array(b.utf8))
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
