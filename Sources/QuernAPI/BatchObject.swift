// A batch as /v1/batches describes it, and how its state may change.
//
// Invariant: every state is entered at most once, and its time says when; a final one is never left.
import QuernJSON

public struct BatchObject: Sendable {
    public enum Status: String, Sendable, CaseIterable {
        case validating, failed, finalizing, completed, expired, cancelling, cancelled
        case inProgress = "in_progress"

        public var isFinal: Bool { [.failed, .completed, .expired, .cancelled].contains(self) }

        fileprivate var timeKey: String { self == .validating ? "created_at" : rawValue + "_at" }
    }

    public struct Counts: Sendable, Equatable {
        public var total = 0
        public var completed = 0
        public var failed = 0

        public init(total: Int = 0, completed: Int = 0, failed: Int = 0) {
            self.total = total
            self.completed = completed
            self.failed = failed
        }
    }

    /// Why a batch failed as a whole.
    public struct Problem: Sendable, Equatable {
        public var code: String
        public var message: String

        public init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }

    public let id: String
    public let endpoint: String
    public let inputFileID: String
    public let completionWindow: String
    /// In seconds since 1970, as all times.
    public let expiresAt: Int
    public let metadata: JSONValue?
    public private(set) var status: Status
    private var times: [Status: Int]
    public var counts = Counts()
    public var outputFileID: String?
    public var errorFileID: String?
    public private(set) var problem: Problem?

    public init(id: String, _ request: BatchRequest, at time: Int) {
        self.id = id
        endpoint = request.endpoint
        inputFileID = request.inputFileID
        completionWindow = request.completionWindow
        expiresAt = time + request.windowSeconds
        metadata = request.metadata
        status = .validating
        times = [.validating: time]
    }

    public var createdAt: Int { times[.validating] ?? 0 }

    /// Does nothing to a batch that is final, or in that state already.
    public mutating func move(to next: Status, at time: Int, because problem: Problem? = nil) {
        guard !status.isFinal, status != next else { return }
        status = next
        times[next] = time
        if let problem { self.problem = problem }
    }

    public var json: JSONValue {
        var json = JSONObject()
        json.append("id", .string(id))
        json.append("object", "batch")
        json.append("endpoint", .string(endpoint))
        if let problem {
            let entry: JSONValue = ["code": .string(problem.code), "message": .string(problem.message)]
            json.append("errors", ["object": "list", "data": [entry]])
        }
        json.append("input_file_id", .string(inputFileID))
        json.append("completion_window", .string(completionWindow))
        json.append("status", .string(status.rawValue))
        if let outputFileID { json.append("output_file_id", .string(outputFileID)) }
        if let errorFileID { json.append("error_file_id", .string(errorFileID)) }
        for status in Status.allCases { if let time = times[status] { json.append(status.timeKey, .int(Int64(time))) } }
        json.append("expires_at", .int(Int64(expiresAt)))
        json.append("request_counts", [
            "total": .int(Int64(counts.total)), "completed": .int(Int64(counts.completed)), "failed": .int(Int64(counts.failed)),
        ])
        if let metadata { json.append("metadata", metadata) }
        return .object(json)
    }

    /// Reads back what `json` gave; nil for anything else.
    public init?(_ json: JSONValue) {
        func number(_ value: JSONValue?) -> Int? { value?.intValue.flatMap { Int(exactly: $0) } }
        guard let id = json["id"]?.stringValue, let endpoint = json["endpoint"]?.stringValue,
            let input = json["input_file_id"]?.stringValue, let window = json["completion_window"]?.stringValue,
            let status = json["status"]?.stringValue.flatMap(Status.init), let expiry = number(json["expires_at"]),
            number(json["created_at"]) != nil
        else { return nil }
        self.id = id
        self.endpoint = endpoint
        inputFileID = input
        completionWindow = window
        expiresAt = expiry
        self.status = status
        metadata = json["metadata"]
        outputFileID = json["output_file_id"]?.stringValue
        errorFileID = json["error_file_id"]?.stringValue
        times = [:]
        for status in Status.allCases { times[status] = number(json[status.timeKey]) }
        let counts = json["request_counts"]
        func count(_ name: String) -> Int { number(counts?[name]) ?? 0 }
        self.counts = Counts(total: count("total"), completed: count("completed"), failed: count("failed"))
        if let problem = json["errors"]?["data"]?.arrayValue?.first, let code = problem["code"]?.stringValue {
            self.problem = Problem(code: code, message: problem["message"]?.stringValue ?? "")
        }
    }
}
