// /v1/files: what a batch reads and writes.
import Hummingbird
import NIOCore
import QuernAPI
import QuernJSON
import QuernTensor

extension Surface {
    func addFiles(to router: Router<QuernRequestContext>, _ store: BatchStore) {
        router.post("v1/files") { request, context in
            let owner = try await context.owner()
            return Response(try await store.receive(request, from: owner).json)
        }
        router.get("v1/files") { request, context in
            let query = try ListQuery(request.parameters, default: 10_000, maximum: 10_000, filters: ["purpose"])
            if let purpose = query.filters["purpose"], FileObject.Purpose(rawValue: purpose) == nil {
                let known = FileObject.Purpose.allCases.map(\.rawValue).joined(separator: ", ")
                throw APIError.invalid("purpose", "purpose is not one of \(known)")
            }
            let files = try await store.files(of: try await context.owner())
            let wanted = files.filter { query.filters["purpose"] ?? $0.purpose.rawValue == $0.purpose.rawValue }
            return Response(try query.page(wanted.map { ($0.id, $0.json) }))
        }
        router.get("v1/files/:id") { _, context in
            Response(try await store.file(context.parameters.get("id") ?? "", of: try await context.owner()).json)
        }
        router.delete("v1/files/:id") { _, context in
            let id = context.parameters.get("id") ?? ""
            try await store.delete(id, of: try await context.owner())
            return Response(["id": .string(id), "object": "file", "deleted": true])
        }
        router.get("v1/files/:id/content") { _, context in
            let file = try await store.content(context.parameters.get("id") ?? "", of: try await context.owner())
            return Response(
                status: .ok, headers: [.contentType: "application/jsonl"],
                body: ResponseBody(contentLength: file.byteCount) { writer in
                    var offset = 0
                    while offset < file.byteCount {
                        let piece = try await store.piece(of: file, at: offset)
                        try await writer.write(ByteBuffer(bytes: piece))
                        offset += piece.count
                    }
                    try await writer.finish(nil)
                })
        }
    }
}

extension QuernRequestContext {
    /// Whose files and batches these are.
    func owner() async throws -> UInt32 {
        guard let peer = try await connection().peer else {
            throw APIError(
                status: 403, type: "permission_error", code: "no_user",
                message: "files and batches belong to a user of this machine; connect through the Unix socket")
        }
        return peer.userID
    }
}

extension Request {
    /// The query's names and values.
    var parameters: [(name: String, value: String)] { uri.queryParameters.map { (String($0.key), String($0.value)) } }
}

extension BatchStore {
    /// Reads a form with the fields `purpose` and `file`, in any order, into the store.
    fileprivate nonisolated func receive(_ request: Request, from owner: UInt32) async throws -> FileObject {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.fileBytes + UploadForm.slack {
            throw limits.tooLarge
        }
        let upload = try await upload(owner)
        do {
            var form = try UploadForm(request.headers[.contentType] ?? "", limits)
            for try await buffer in request.body {
                for event in try form.read(buffer.readableBytesView) {
                    if let content = try form.content(event) { try await append(content, to: upload) }
                }
            }
            return try await commit(upload, filename: try form.finish())
        } catch {
            await abandon(upload)
            if let error = error as? MultipartError { throw APIError.invalid(nil, error.reason, code: "invalid_multipart") }
            throw error
        }
    }
}

/// The form of an upload as it comes in: which field is being read, and what the small ones hold.
private struct UploadForm {
    /// What a form has beside the file.
    static let slack = 64 << 10
    private static let maxFieldBytes = 256
    private var parser: MultipartParser
    private let limits: BatchLimits
    private var field = ""
    private var purpose: [UInt8]?
    private var filename: String?

    init(_ contentType: String, _ limits: BatchLimits) throws {
        guard contentType.lowercased().hasPrefix("multipart/form-data") else {
            throw APIError(
                status: 415, type: "invalid_request_error", code: "unsupported_media_type",
                message: "the content type is \"\(contentType.prefix(64))\", expected multipart/form-data with purpose and file")
        }
        parser = try MultipartParser(contentType: contentType)
        self.limits = limits
    }

    mutating func read(_ bytes: ByteBufferView) throws(MultipartError) -> [MultipartParser.Event] { try parser.append(bytes) }

    /// The bytes of the file that `event` brings.
    mutating func content(_ event: MultipartParser.Event) throws(APIError) -> ArraySlice<UInt8>? {
        switch event {
        case .part(let name, let filename): try begin(name, filename)
        case .content(let bytes) where field == "file": return bytes
        case .content(let bytes):
            purpose = (purpose ?? []) + bytes
            guard purpose?.count ?? 0 <= Self.maxFieldBytes else { throw .invalid(field, "\(field) is too long") }
        case .partEnd: break
        }
        return nil
    }

    private mutating func begin(_ name: String, _ filename: String?) throws(APIError) {
        field = name
        switch name {
        case "purpose" where purpose == nil: purpose = []
        case "file" where self.filename == nil:
            let filename = filename ?? "file.jsonl"
            let isPlain = filename.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
            guard isPlain, (1...limits.filenameBytes).contains(filename.utf8.count) else {
                throw .invalid("file", "the file's name is not 1 to \(limits.filenameBytes) bytes of plain text")
            }
            self.filename = filename
        case "purpose", "file": throw .invalid(name, "\(name) comes twice")
        default:
            throw .invalid(
                String(name.prefix(64)), "unknown field \"\(name.prefix(64))\"; known are purpose and file",
                code: "unknown_parameter")
        }
    }

    /// The file's name, once everything has come.
    func finish() throws -> String {
        guard parser.isDone else { throw MultipartError(reason: "the body ends before its last boundary") }
        guard let filename else { throw APIError.invalid("file", "file is missing") }
        guard let purpose else { throw APIError.invalid("purpose", "purpose is missing") }
        guard purpose == Array("batch".utf8) else {
            throw APIError.invalid("purpose", "purpose is not batch: files are kept for batches only")
        }
        return filename
    }
}
