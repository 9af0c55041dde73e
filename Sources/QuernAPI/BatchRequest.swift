// POST /v1/batches.
import QuernJSON

public struct BatchRequest: Sendable {
    public let inputFileID: String
    public let endpoint: String
    public let completionWindow: String
    public let windowSeconds: Int
    public let metadata: JSONValue?

    /// Allowed lengths of the window; OpenAI's is always `24h`.
    static let windows = 3_600...(30 * 86_400)

    /// - Parameter endpoints: routes that a batch may ask.
    public init(_ json: JSONValue, endpoints: [String]) throws(APIError) {
        var fields = try RequestFields(json)
        guard let input = try fields.string("input_file_id") else { throw .invalid("input_file_id", "input_file_id is missing") }
        inputFileID = input
        guard let endpoint = try fields.string("endpoint"), endpoints.contains(endpoint) else {
            throw .invalid("endpoint", "endpoint is not one of \(endpoints.joined(separator: ", "))")
        }
        self.endpoint = endpoint
        guard let window = try fields.string("completion_window"), let seconds = Self.seconds(window) else {
            throw .invalid("completion_window", "completion_window is not a time from 1h to 30d, such as 24h")
        }
        completionWindow = window
        windowSeconds = seconds
        metadata = fields.value("metadata")
        if let metadata { try Self.check(metadata) }
        try fields.refuse("output_expires_after", because: "is not supported: files stay until they are deleted")
        try fields.finish()
    }

    private static func seconds(_ window: String) -> Int? {
        let units: [Character: Int] = ["h": 3_600, "d": 86_400]
        guard window.utf8.count <= 5, let unit = window.last.flatMap({ units[$0] }), let count = Int(window.dropLast()), count > 0
        else { return nil }
        return windows.contains(count * unit) ? count * unit : nil
    }

    private static func check(_ metadata: JSONValue) throws(APIError) {
        guard let members = metadata.objectValue?.members, members.count <= 16 else {
            throw .invalid("metadata", "metadata is not an object of at most 16 members")
        }
        for member in members {
            guard member.key.utf8.count <= 64, let text = member.value.stringValue, text.utf8.count <= 512 else {
                let name = "metadata/\(member.key.prefix(64))"
                throw .invalid(name, "\(name) is not a string of at most 512 bytes under a key of at most 64")
            }
        }
    }
}
