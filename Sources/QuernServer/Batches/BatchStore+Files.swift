// Files: uploaded piece by piece, listed, read and deleted.
import Foundation
import Glibc
import QuernAPI
import QuernTensor

extension BatchStore {
    /// Begins an upload; `append`, then `commit` or `abandon`.
    func upload(_ owner: UInt32) throws(APIError) -> String {
        try open(creating: true)
        let user = users[owner, default: User()]
        guard user.files.count < limits.filesPerUser else {
            throw Self.quota("you have \(user.files.count) files, the limit is \(limits.filesPerUser)")
        }
        if mkdir(folder(owner), 0o700) != 0, errno != EEXIST {
            throw Self.failure(SystemError(call: "mkdir", subject: folder(owner)))
        }
        let id = Self.newID("file-")
        do {
            uploads[id] = try Upload(owner: owner, path: path(id, owner))
        } catch {
            throw Self.failure(error)
        }
        users[owner] = user
        return id
    }

    /// - Throws: `APIError` 413 or 507 when it becomes too much.
    func append(_ bytes: ArraySlice<UInt8>, to id: String) throws(APIError) {
        guard let upload = uploads[id] else { return }
        guard upload.byteCount + bytes.count <= limits.fileBytes else { throw limits.tooLarge }
        guard let user = users[upload.owner], user.bytes + bytes.count <= limits.bytesPerUser else {
            throw Self.quota("your files would take more than \(limits.bytesPerUser >> 20) MiB")
        }
        do {
            try upload.append(bytes)
        } catch {
            throw Self.failure(error)
        }
        users[upload.owner]?.incomingBytes += bytes.count
    }

    private static func quota(_ reason: String) -> APIError {
        APIError(
            status: 507, type: "insufficient_storage", code: "storage_quota", message: reason + "; delete files that are done with")
    }

    func commit(_ id: String, filename: String) throws(APIError) -> FileObject {
        guard let upload = uploads[id] else { throw Self.notFound("file", id) }
        let file = FileObject(
            id: id, byteCount: upload.byteCount, createdAt: Self.now, filename: filename, purpose: .batch)
        do {
            try upload.sync()
        } catch {
            throw Self.failure(error)
        }
        try write(file.json, id, upload.owner)
        end(id)
        users[upload.owner]?.files.append(file)
        return file
    }

    /// Forgets an upload that was not committed.
    func abandon(_ id: String) {
        guard let upload = uploads[id] else { return }
        end(id)
        unlink(upload.path)
    }

    private func end(_ id: String) {
        guard let upload = uploads.removeValue(forKey: id) else { return }
        users[upload.owner]?.incomingBytes -= upload.byteCount
    }

    func files(of owner: UInt32) throws(APIError) -> [FileObject] {
        try open()
        return users[owner]?.files ?? []
    }

    func file(_ id: String, of owner: UInt32) throws(APIError) -> FileObject {
        guard let file = try files(of: owner).first(where: { $0.id.utf8.elementsEqual(id.utf8) }) else {
            throw Self.notFound("file", id)
        }
        return file
    }

    func content(_ id: String, of owner: UInt32) throws(APIError) -> RandomAccessFile {
        let file = try file(id, of: owner)
        do {
            return try RandomAccessFile(path: path(file.id, owner))
        } catch {
            throw APIError(status: 500, type: "server_error", code: "state_failed", message: "\(file.id): \(error)")
        }
    }

    /// The next bytes of a file; empty at its end.
    func piece(of file: RandomAccessFile, at offset: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: min(1 << 18, file.byteCount - offset))
        let outcome = bytes.withUnsafeMutableBytes { raw in
            Result { () throws(FileError) in try file.read(into: raw, at: offset) }
        }
        try outcome.get()
        return bytes
    }

    /// - Throws: 409 while a batch reads it.
    func delete(_ id: String, of owner: UInt32) throws(APIError) {
        let file = try file(id, of: owner)
        if let batch = users[owner]?.batches.first(where: { !$0.status.isFinal && $0.inputFileID == file.id }) {
            throw APIError(
                status: 409, type: "invalid_request_error", code: "file_in_use", param: "id",
                message: "\(file.id) is the input of \(batch.id), which is \(batch.status.rawValue); cancel that first")
        }
        unlink("\(folder(owner))/\(file.id).json")
        unlink(path(file.id, owner))
        users[owner]?.files.removeAll { $0.id == file.id }
    }
}
