// Who is at the other end of a Unix socket, as the kernel says.
import Glibc
import NIOCore

/// The credentials a peer had when it connected (or made the socket pair).
struct PeerCredentials: Sendable, Equatable {
    let userID: UInt32
    /// For the log only: process ids are used again.
    let processID: Int32

    /// Nil, on the channel's event loop, when the kernel does not say.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials?> {
        guard let socket = channel as? any SocketOptionProvider else { return channel.eventLoop.makeSucceededFuture(nil) }
        let answer: EventLoopFuture<KernelCredentials> = socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return answer.map { Optional(PeerCredentials(userID: $0.userID, processID: $0.processID)) }.recover { _ in nil }
    }
}

/// The layout of `struct ucred` (unix(7)), which Glibc's module does not export.
private struct KernelCredentials {
    var processID: Int32
    var userID: UInt32
    var groupID: UInt32
}
