// What one user may keep in the daemon's state directory.
import QuernAPI

public struct BatchLimits: Sendable {
    public var fileBytes = 64 << 20
    public var rows = 50_000
    public var filesPerUser = 1_000
    public var bytesPerUser = 1 << 30
    /// Batches that are not over.
    public var liveBatchesPerUser = 100
    /// The oldest of those that are over are forgotten beyond this; their files stay.
    public var batchesPerUser = 1_000
    /// Rows of one batch that are answered at a time.
    public var concurrency = 16
    public var filenameBytes = 255

    public init() {}

    var tooLarge: APIError {
        APIError(
            status: 413, type: "request_too_large", code: "file_too_large", param: "file",
            message: "the file exceeds the limit of \(fileBytes) bytes; split it")
    }
}
