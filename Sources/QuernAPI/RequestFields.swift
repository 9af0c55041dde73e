// Strict reading of a request object: every field typed and bounded, every unknown field refused by name.
//
// Invariant: a field is either read or reported; nothing a client sends is silently ignored.
import QuernJSON

struct RequestFields {
    let object: JSONObject
    private var known: Set<String> = []

    init(_ json: JSONValue) throws(APIError) {
        guard let object = json.objectValue else {
            throw .invalid(nil, "the request body is \(json.typeName), expected an object")
        }
        self.object = object
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

    mutating func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = value(key) else { return nil }
        guard let flag = value.boolValue else { throw wrongType(key, value, "true or false") }
        return flag
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(key) else { return nil }
        guard let wide = value.intValue, let number = Int(exactly: wide) else { throw wrongType(key, value, "an integer") }
        guard range.contains(number) else {
            throw .invalid(key, "\(key) is \(number), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    mutating func number(_ key: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.doubleValue else { throw wrongType(key, value, "a number") }
        guard range.contains(number) else {
            throw .invalid(key, "\(key) is \(number), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    mutating func tokens(_ key: String, limit: Int) throws(APIError) -> [Int32] {
        guard let value = value(key) else { return [] }
        guard let list = value.arrayValue, list.count <= limit else {
            throw .invalid(key, "\(key) is not a list of at most \(limit) token ids")
        }
        var tokens: [Int32] = []
        for (index, element) in list.enumerated() {
            guard let wide = element.intValue, let token = Int32(exactly: wide) else {
                throw .invalid("\(key)/\(index)", "\(key)/\(index) is not a token id")
            }
            tokens.append(token)
        }
        return tokens
    }

    /// Marks a field as understood without using it.
    mutating func accept(_ keys: String...) { known.formUnion(keys) }

    /// Refuses a field that exists in the protocol and not here, unless it has its neutral value.
    mutating func refuse(_ key: String, unless isNeutral: (JSONValue) -> Bool = { _ in false }) throws(APIError) {
        guard let value = value(key), !isNeutral(value) else { return }
        throw .invalid(key, "\(key) is not supported by this server", code: "unsupported_parameter")
    }

    /// Refuses whatever was not asked for.
    func finish() throws(APIError) {
        for member in object.members where !known.contains(member.key) {
            let name = String(member.key.prefix(64))
            throw .invalid(name, "unknown field \"\(name)\"", code: "unknown_parameter")
        }
    }

    private func wrongType(_ key: String, _ value: JSONValue, _ expected: String) -> APIError {
        .invalid(key, "\(key) is \(value.typeName), expected \(expected)")
    }
}
