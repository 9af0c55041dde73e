// Where the daemon keeps what outlives it: private to its user, owned by one daemon at a time.
//
// Invariant: nothing in it is read or written without its lock, which the kernel gives back however the daemon ends.
import Foundation
import Glibc
import QuernTensor

/// Why files and batches cannot be kept.
struct StateError: Error, Sendable, CustomStringConvertible {
    let description: String
}

public struct StateDirectory: Sendable {
    public let path: String

    /// - Parameters:
    ///   - given: nil takes systemd's `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/quern`, else `~/.local/state/quern`.
    ///   - environment: variables of the process.
    public init(_ given: String?, environment: [String: String]) {
        func absolute(_ name: String) -> String? { environment[name].flatMap { $0.hasPrefix("/") ? $0 : nil } }
        let systemd = absolute("STATE_DIRECTORY").flatMap { $0.split(separator: ":").first.map(String.init) }
        path = given ?? systemd ?? absolute("XDG_STATE_HOME").map { $0 + "/quern" } ?? NSHomeDirectory() + "/.local/state/quern"
    }

    /// The folder of files and batches, inside.
    var batches: String { path + "/batches" }

    /// Makes the folders that are missing, checks that they are ours alone, and takes the lock.
    ///
    /// - Returns: the lock, held until it goes; nil when the folder is not there and was not to be made.
    func open(creating: Bool) throws(StateError) -> StateLock? {
        guard creating || FileManager.default.fileExists(atPath: batches) else { return nil }
        do {
            let parent = URL(filePath: path).deletingLastPathComponent().path
            try FileManager.default.createDirectory(
                atPath: parent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StateError(description: "\(path): cannot be created")
        }
        do throws(SocketError) {
            // As private as the sockets' own, and made in the same way.
            _ = try SocketDirectory(private: path)
            _ = try SocketDirectory(private: batches)
        } catch {
            throw StateError(description: error.description)
        }
        chmod(batches, 0o700)
        return try StateLock(batches + "/lock")
    }
}

/// The right to use a state directory.
final class StateLock: Sendable {
    private let descriptor: Int32

    fileprivate init(_ path: String) throws(StateError) {
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StateError(description: "\(path): \(String(cString: strerror(errno)))") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(descriptor)
            throw StateError(description: "\(path): another daemon keeps its batches there")
        }
    }

    deinit { Glibc.close(descriptor) }
}
