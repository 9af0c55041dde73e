// A file as /v1/files describes it.
import QuernJSON

public struct FileObject: Sendable {
    public enum Purpose: String, Sendable, CaseIterable {
        /// Requests of a batch, uploaded.
        case batch
        /// Results of a batch.
        case batchOutput = "batch_output"
    }

    public let id: String
    public let byteCount: Int
    /// In seconds since 1970.
    public let createdAt: Int
    public let filename: String
    public let purpose: Purpose

    public init(id: String, byteCount: Int, createdAt: Int, filename: String, purpose: Purpose) {
        self.id = id
        self.byteCount = byteCount
        self.createdAt = createdAt
        self.filename = filename
        self.purpose = purpose
    }

    public var json: JSONValue {
        [
            "id": .string(id), "object": "file", "bytes": .int(Int64(byteCount)), "created_at": .int(Int64(createdAt)),
            "filename": .string(filename), "purpose": .string(purpose.rawValue), "status": "processed",
        ]
    }

    /// Reads back what `json` gave; nil for anything else.
    public init?(_ json: JSONValue) {
        guard let id = json["id"]?.stringValue, let filename = json["filename"]?.stringValue,
            let bytes = json["bytes"]?.intValue.flatMap({ Int(exactly: $0) }), bytes >= 0,
            let created = json["created_at"]?.intValue.flatMap({ Int(exactly: $0) }),
            let purpose = json["purpose"]?.stringValue.flatMap(Purpose.init)
        else { return nil }
        self.init(id: id, byteCount: bytes, createdAt: created, filename: filename, purpose: purpose)
    }
}
