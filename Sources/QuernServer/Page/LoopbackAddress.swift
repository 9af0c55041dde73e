// An address that only this machine reaches, for the optional page.
import Glibc

public struct LoopbackAddress: Sendable, Equatable {
    /// `127.0.0.1` or `::1`.
    public let host: String
    public let port: Int

    /// From `127.0.0.1:8080`, `localhost:8080` or `[::1]:8080`; nil for any other host: what leaves the machine would need
    /// keys, certificates and rights.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        switch text[..<colon] {
        case "127.0.0.1", "localhost": host = "127.0.0.1"
        case "[::1]": host = "::1"
        default: return nil
        }
        self.port = Int(port)
    }

    /// What a browser on this machine may call it.
    var authorities: [String] { [host.contains(":") ? "[\(host)]" : host, "localhost"].map { "\($0):\(port)" } }

    /// A socket bound to the address.
    func listen() throws(SocketError) -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        defer { if let found { freeaddrinfo(found) } }
        guard getaddrinfo(host, "\(port)", &hints, &found) == 0, let address = found?.pointee else {
            throw .system(url, reason: "no such address")
        }
        let descriptor = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var yes: Int32 = 1
        guard descriptor >= 0, setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4) == 0,
            bind(descriptor, address.ai_addr, address.ai_addrlen) == 0
        else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw .system(url, reason: reason)
        }
        return descriptor
    }

    public var url: String { "http://\(authorities[0])/" }
}
