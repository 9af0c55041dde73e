// The rows of a batch file, in OpenAI's Batch format or short.
//
//     {"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": […]}}
//     {"prompt": "Hello", "max_tokens": 20}          the same as a body with one user message
//     {"messages": […]}                              the same as a body
//
// Invariant: every row has an id of its own, as bytes: its `custom_id`, else `line-N`. A row that cannot be sent has a
// problem instead of a request; it never stops the others.
import QuernJSON

public struct BatchInput: Sendable {
    /// A row's id; Swift strings would take two spellings of one letter for the same.
    typealias RowID = [UInt8]

    public struct Row: Sendable {
        public let id: String
        public let content: Result<Request, Problem>
    }

    public struct Request: Sendable {
        public var path: String
        public var body: JSONObject
    }

    /// Why a row was not sent.
    public struct Problem: Error, Sendable {
        public let code: String
        public let message: String

        public init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    /// Routes that rows may ask.
    public static let paths = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]

    private let bytes: [UInt8]
    private let endpoint: String?
    private let lines: [(number: Int, range: Range<Int>)]
    /// Ids by row; later rows with an id that was already taken have their line's.
    private(set) var ids: [String] = []
    private var duplicates: [Int: String] = [:]

    public var count: Int { lines.count }

    /// - Parameters:
    ///   - bytes: the file. Blank lines are no rows.
    ///   - name: what errors call it.
    ///   - endpoint: the one route that every row asks; nil leaves it to the rows.
    public init(_ bytes: [UInt8], name: String, endpoint: String? = nil) throws(BatchError) {
        self.bytes = bytes
        self.endpoint = endpoint
        var lines: [(number: Int, range: Range<Int>)] = []
        var (start, number) = (0, 1)
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
            if bytes[start..<end].contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) { lines.append((number, start..<end)) }
            start = end + 1
            number += 1
        }
        self.lines = lines
        guard !lines.isEmpty else { throw BatchError(.malformed, "\(name): has no rows") }
        var known: Set<RowID> = []
        for index in lines.indices {
            var id = row(index).id
            if !known.insert(Array(id.utf8)).inserted {
                duplicates[index] = id
                id = "line-\(lines[index].number)"
                known.insert(Array(id.utf8))
            }
            ids.append(id)
        }
    }

    func row(_ index: Int) -> Row {
        let (number, range) = lines[index]
        let lineID = "line-\(number)"
        if let id = duplicates[index] {
            let problem = Problem(code: "duplicate_custom_id", message: "line \(number): custom_id \"\(id.prefix(64))\" was used by an earlier row")
            return Row(id: lineID, content: .failure(problem))
        }
        do {
            let json = try JSONValue(parsing: Array(bytes[range]))
            guard var object = json.objectValue else {
                throw Problem(code: "invalid_row", message: "line \(number) is \(json.typeName), expected an object")
            }
            let id = try Self.takeID(&object, number) ?? lineID
            return Row(id: id, content: Result { () throws(Problem) in try request(object, number) })
        } catch {
            let problem = error as? Problem ?? Problem(code: "invalid_json", message: "line \(number) is not valid JSON: \(error)")
            return Row(id: lineID, content: .failure(problem))
        }
    }

    private static func takeID(_ object: inout JSONObject, _ number: Int) throws(Problem) -> String? {
        guard let value = object["custom_id"], !value.isNull else { return nil }
        guard let id = value.stringValue, (1...512).contains(id.utf8.count) else {
            throw Problem(code: "invalid_custom_id", message: "line \(number): custom_id is not a string of 1 to 512 bytes")
        }
        object["custom_id"] = nil
        return id
    }

    private func request(_ object: JSONObject, _ number: Int) throws(Problem) -> Request {
        func problem(_ message: String) -> Problem { Problem(code: "invalid_row", message: "line \(number): \(message)") }
        var request = Request(path: endpoint ?? Self.paths[0], body: JSONObject())
        if object["body"] != nil || object["url"] != nil || object["method"] != nil {
            for member in object.members where !["custom_id", "method", "url", "body"].contains(member.key) {
                throw problem("unknown field \"\(member.key.prefix(64))\"")
            }
            if let method = object["method"], method != "POST" { throw problem("method is not \"POST\"") }
            if let url = object["url"] {
                let allowed = endpoint.map { [$0] } ?? Self.paths
                guard let path = url.stringValue, allowed.contains(path) else {
                    throw problem("url is not \(allowed.joined(separator: " or "))")
                }
                request.path = path
            }
            guard let body = object["body"]?.objectValue else { throw problem("body is not an object") }
            request.body = body
        } else {
            request.body = object
            if request.path == Self.paths[0], let prompt = object["prompt"], object["messages"] == nil {
                guard let text = prompt.stringValue else { throw problem("prompt is not a string") }
                request.body["prompt"] = nil
                request.body["messages"] = [["role": "user", "content": .string(text)]]
            }
        }
        if request.body["stream"]?.boolValue == true { throw problem("stream is not possible in a batch") }
        return request
    }
}
