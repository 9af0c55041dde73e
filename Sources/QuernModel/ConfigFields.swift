// Reading fields of a configuration: every number is typed and bounded before it is used.
import QuernJSON

struct ConfigFields {
    let object: JSONObject
    let pointer: String

    init(_ value: JSONValue, pointer: String = "") throws(ConfigError) {
        guard let object = value.objectValue else {
            throw ConfigError(pointer: pointer.isEmpty ? "/" : pointer, reason: "is \(value.typeName), expected an object")
        }
        self.object = object
        self.pointer = pointer
    }

    /// The member, with null treated as absent.
    subscript(key: String) -> JSONValue? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    func fail(_ key: String, _ reason: String) -> ConfigError { ConfigError(pointer: "\(pointer)/\(key)", reason: reason) }

    func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(ConfigError) -> Int? {
        guard let value = self[key] else { return nil }
        guard let wide = value.intValue, let number = Int(exactly: wide) else {
            throw fail(key, "is \(describe(value)), expected an integer")
        }
        guard range.contains(number) else {
            throw fail(key, "is \(number), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigError) -> Int {
        guard let number = try optionalInteger(key, in: range) else { throw fail(key, "is missing") }
        return number
    }

    func optionalNumber(_ key: String, in range: ClosedRange<Double>) throws(ConfigError) -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.doubleValue else { throw fail(key, "is \(describe(value)), expected a number") }
        guard range.contains(number) else {
            throw fail(key, "is \(number), allowed is \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    func optionalBool(_ key: String) throws(ConfigError) -> Bool? {
        guard let value = self[key] else { return nil }
        guard let flag = value.boolValue else { throw fail(key, "is \(describe(value)), expected true or false") }
        return flag
    }

    func optionalString(_ key: String) throws(ConfigError) -> String? {
        guard let value = self[key] else { return nil }
        guard let text = value.stringValue else { throw fail(key, "is \(describe(value)), expected a string") }
        return text
    }

    /// A list of integers; absent counts as empty.
    func integers(_ key: String, in range: ClosedRange<Int>) throws(ConfigError) -> [Int] {
        guard let value = self[key] else { return [] }
        guard let list = value.arrayValue, list.count <= 4096 else {
            throw fail(key, "is \(describe(value)), expected a short list")
        }
        var numbers: [Int] = []
        for element in list {
            guard let wide = element.intValue, let number = Int(exactly: wide), range.contains(number) else {
                throw fail(key, "holds \(describe(element)), allowed is \(range.lowerBound)...\(range.upperBound)")
            }
            numbers.append(number)
        }
        return numbers
    }

    /// A token id or a list of them.
    func tokens(_ key: String) throws(ConfigError) -> [Int32] {
        guard let value = self[key] else { return [] }
        let list = value.arrayValue ?? [value]
        guard list.count <= 1024 else { throw fail(key, "has \(list.count) ids, the limit is 1024") }
        var tokens: [Int32] = []
        for element in list {
            guard let wide = element.intValue, let token = Int32(exactly: wide), token >= 0 else {
                throw fail(key, "holds \(describe(element)), expected a token id")
            }
            tokens.append(token)
        }
        return tokens
    }

    private func describe(_ value: JSONValue) -> String { String(value.serialized().prefix(64)) }
}
