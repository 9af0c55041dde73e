// Functions and questions of the Berkeley Function Calling Leaderboard, from the shared data.
import Foundation
import QuernJSON

public enum BFCL {
    /// One question, the functions that may be called and the answers that count as right.
    public struct Task: Sendable {
        public let id: String
        public let messages: [JSONValue]
        /// As OpenAI's API has them.
        public let tools: [JSONValue]
        /// For each call that is expected: the name, and for every argument the values that are right ("" if it may be left out).
        public let expected: [JSONValue]
    }

    /// - Parameter category: `simple_python`, `multiple` or `parallel`.
    public static func tasks(_ category: String, limit: Int) throws -> [Task] {
        let file = "BFCL_v4_\(category).json"
        guard SharedData.has("eval/bfcl/\(file)", "eval/bfcl/possible_answer/\(file)") else { return [] }
        let questions = try SharedData.lines("eval/bfcl/\(file)").prefix(limit).map { try JSONValue(parsing: $0) }
        let answers = try SharedData.lines("eval/bfcl/possible_answer/\(file)").prefix(limit).map { try JSONValue(parsing: $0) }
        return zip(questions, answers).map { question, answer in
            Task(
                id: question["id"]?.stringValue ?? "", messages: question["question"]?.arrayValue?.first?.arrayValue ?? [],
                tools: (question["function"]?.arrayValue ?? []).map(tool), expected: answer["ground_truth"]?.arrayValue ?? [])
        }
    }

    private static func tool(_ function: JSONValue) -> JSONValue {
        var copy = function.objectValue ?? JSONObject()
        copy["parameters"] = asJSONSchema(function["parameters"] ?? [:])
        return ["type": "function", "function": .object(copy)]
    }

    /// The share of `calls` (name and parsed arguments) being right is all or nothing: every expected call, in any order.
    public static func isRight(_ calls: [(name: String, arguments: JSONValue)], _ expected: [JSONValue]) -> Bool {
        guard calls.count == expected.count else { return false }
        var left = calls
        for wanted in expected {
            guard let index = left.firstIndex(where: { matches($0, wanted) }) else { return false }
            left.remove(at: index)
        }
        return true
    }

    private static func matches(_ call: (name: String, arguments: JSONValue), _ wanted: JSONValue) -> Bool {
        guard let parameters = wanted[call.name]?.objectValue, let given = call.arguments.objectValue else { return false }
        for member in parameters.members {
            let allowed = member.value.arrayValue ?? []
            guard let value = given[member.key] else {
                guard allowed.contains("") else { return false }
                continue
            }
            guard allowed.contains(where: { isSame($0, value) }) else { return false }
        }
        return given.members.allSatisfy { parameters[$0.key] != nil }
    }

    /// The leaderboard compares texts without case and punctuation, and numbers by value.
    private static func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.string(let x), .string(let y)): plain(x) == plain(y)
        case (.array(let x), .array(let y)): x.count == y.count && zip(x, y).allSatisfy { isSame($0, $1) }
        case (.object(let x), .object(let y)):
            y.members.allSatisfy { member in (x[member.key]?.arrayValue ?? []).contains { isSame($0, member.value) } }
        default: a == b || (a.doubleValue != nil && a.doubleValue == b.doubleValue)
        }
    }

    private static func plain(_ text: String) -> String {
        String(text.lowercased().unicodeScalars.filter { !" ,./-_*^'\"".unicodeScalars.contains($0) })
    }

    /// The parameters of many functions, as JSON Schemas.
    public static func schemas(limit: Int) throws -> [JSONValue] {
        var result: [JSONValue] = []
        for file in ["BFCL_v4_simple_python.json", "BFCL_v4_multiple.json"] where SharedData.has("eval/bfcl/\(file)") {
            for line in try SharedData.lines("eval/bfcl/\(file)") where result.count < limit {
                for function in try JSONValue(parsing: line)["function"]?.arrayValue ?? [] {
                    if let parameters = function["parameters"] { result.append(asJSONSchema(parameters)) }
                }
            }
        }
        return result
    }

    /// `dict`, `float`, `tuple` and `any` as JSON Schema says them; keywords of no schema are left out.
    public static func asJSONSchema(_ value: JSONValue) -> JSONValue {
        guard case .object(let object) = value else { return value }
        var result = JSONObject()
        for member in object.members {
            switch (member.key, member.value) {
            case ("type", .string(let name)):
                let known = ["dict": "object", "float": "number", "tuple": "array"][name] ?? name
                if known != "any" { result.append("type", .string(known)) }
            case ("properties", .object(let properties)):
                result.append("properties", .object(JSONObject(properties.members.map {
                    JSONObject.Member(key: $0.key, value: asJSONSchema($0.value))
                })))
            case ("items", let items): result.append("items", asJSONSchema(items))
            case ("required", _), ("enum", _), ("description", _), ("default", _): result.append(member.key, member.value)
            default: break
            }
        }
        return .object(result)
    }
}
