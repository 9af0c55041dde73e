// The query of a list: `limit`, `after`, `order`; and the page it gives.
import QuernJSON

public struct ListQuery: Sendable {
    public let limit: Int
    public let after: String?
    /// Newest first, unless asked otherwise.
    public let isAscending: Bool
    /// Other parameters that the list knows.
    public private(set) var filters: [String: String] = [:]

    /// - Parameters:
    ///   - parameters: names and values, as the client sent them.
    ///   - maximum: the largest `limit`.
    ///   - filters: further names that are known.
    public init(
        _ parameters: [(name: String, value: String)], default limit: Int, maximum: Int, filters: [String] = []
    ) throws(APIError) {
        var values: [String: String] = [:]
        for (name, value) in parameters {
            guard (["limit", "after", "order"] + filters).contains(name) else {
                throw .invalid(String(name.prefix(64)), "unknown parameter \"\(name.prefix(64))\"", code: "unknown_parameter")
            }
            values[name] = value
            if filters.contains(name) { self.filters[name] = value }
        }
        self.limit = try values["limit"].map { text throws(APIError) in
            guard let number = Int(text), (1...maximum).contains(number) else {
                throw .invalid("limit", "limit is \"\(text.prefix(16))\", allowed is 1...\(maximum)")
            }
            return number
        } ?? limit
        after = values["after"]
        guard ["asc", "desc"].contains(values["order"] ?? "desc") else { throw .invalid("order", "order is not asc or desc") }
        isAscending = values["order"] == "asc"
    }

    /// - Parameter items: oldest first, with their ids.
    /// - Throws: when `after` is the id of none.
    public func page(_ items: [(id: String, json: JSONValue)]) throws(APIError) -> JSONValue {
        let ordered = isAscending ? items : items.reversed()
        var start = 0
        if let after {
            guard let index = ordered.firstIndex(where: { $0.id == after }) else {
                throw .invalid("after", "after names nothing in this list: \"\(after.prefix(64))\"")
            }
            start = index + 1
        }
        let page = ordered.dropFirst(start).prefix(limit)
        return [
            "object": "list", "data": .array(page.map(\.json)), "first_id": .string(page.first?.id ?? ""),
            "last_id": .string(page.last?.id ?? ""), "has_more": .bool(start + page.count < ordered.count),
        ]
    }
}
