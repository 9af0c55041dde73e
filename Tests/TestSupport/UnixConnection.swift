// A blocking client, of a Unix socket or of a loopback port, that shows what a server does, byte for byte.
import Foundation
import Glibc

public final class UnixConnection {
    public private(set) var descriptor: Int32

    public init(_ path: String, timeout: Int = 60) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in target.copyBytes(from: path.utf8.prefix(target.count - 1)) }
        try connect(to: &address, path, timeout)
    }

    public init(loopbackPort port: UInt16, timeout: Int = 60) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port)
        try connect(to: &address, "port \(port)", timeout)
    }

    /// A port that nobody has a moment ago.
    public static func freePort() -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(descriptor) }
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, size)
                _ = getsockname(descriptor, $0, &size)
            }
            return UInt16(bigEndian: pointer.pointee.sin_port)
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private func connect<Address>(to address: inout Address, _ name: String, _ timeout: Int) throws {
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard connected == 0 else {
            let reason = String(cString: strerror(errno))
            close()
            throw TestDaemon.Failure(description: "\(name): \(reason)")
        }
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close() }

    public func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw TestDaemon.Failure(description: "send: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// Sends bytes and, beside them, a descriptor of this process.
    public func send(_ bytes: [UInt8], with passed: Int32) throws {
        let headerSize = MemoryLayout<cmsghdr>.size
        var header = cmsghdr()
        header.cmsg_len = headerSize + MemoryLayout<Int32>.size
        header.cmsg_level = SOL_SOCKET
        header.cmsg_type = Int32(SCM_RIGHTS)
        var sent = -1
        bytes.withUnsafeBytes { data in
            var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: data.baseAddress), iov_len: data.count)
            var control = [UInt8](repeating: 0, count: headerSize + 8)
            control.withUnsafeMutableBytes { control in
                control.storeBytes(of: header, as: cmsghdr.self)
                control.storeBytes(of: passed, toByteOffset: headerSize, as: Int32.self)
                withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = control.count
                    sent = sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
                }
            }
        }
        guard sent == bytes.count else { throw TestDaemon.Failure(description: "sendmsg: \(String(cString: strerror(errno)))") }
    }

    /// Half-closes: nothing more will be sent, everything is still received.
    public func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What has arrived, at least one byte; empty at the end.
    public func readSome() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { throw TestDaemon.Failure(description: "recv: \(String(cString: strerror(errno)))") }
        return Array(buffer[..<count])
    }

    public func readToEnd() throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let part = try readSome()
            if part.isEmpty { return all }
            all += part
        }
    }

    public func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
