// What RFC 9110 and 9112 ask of a message's head beyond its grammar, on the heads as they are on the wire.
//
// Sits between the decoder and the conversion to HTTP types, which forgets versions, second hosts and codings. Invariant: after a
// head that is refused nothing of the connection reaches a request any more.
import Glibc
import NIOCore
import NIOHTTP1

final class HeadRules: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private var isRefused = false
    /// HTTP/1.0 knows neither chunks nor interim answers, and such a client is answered once.
    private var isOld = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        if let error = Self.problem(of: head) {
            isRefused = true
            return context.fireErrorCaught(error)
        }
        guard head.version.minor == 0 else { return context.fireChannelRead(data) }
        isOld = true
        head.headers.remove(name: "Expect")
        head.headers.replaceOrAdd(name: "Connection", value: "close")
        if !head.headers.contains(name: "Host") { head.headers.add(name: "Host", value: "") }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    private static func problem(of head: HTTPRequestHead) -> HTTPParserError? {
        let hosts = head.headers["Host"]
        // RFC 9112, 3.2: one host, and nothing in it but a host.
        if hosts.count > 1 || !hosts.allSatisfy(isHost) { return .invalidHeaderToken }
        // RFC 9112, 6.1: codings that are not understood frame a body nobody can find the end of.
        let codings = head.headers["Transfer-Encoding"]
        if !codings.isEmpty, codings.count > 1 || codings[0].lowercased() != "chunked" { return .invalidHeaderToken }
        return head.method == .CONNECT ? .invalidMethod : nil
    }

    private static func isHost(_ value: String) -> Bool {
        // The decoder leaves tabs around a value.
        let text = value.split(whereSeparator: { $0 == " " || $0 == "\t" })
        return text.count < 2 && !value.utf8.contains { "/@?#\\,".utf8.contains($0) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data), head.status.code >= 200 else {
            return context.write(data, promise: promise)
        }
        if isOld { head.version = .http1_0 }
        if !head.headers.contains(name: "Date") { head.headers.add(name: "Date", value: Self.date()) }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }

    /// Now, as RFC 9110, 5.6.7 writes it; the process keeps the C locale, whose names are the right ones.
    private static func date() -> String {
        var (now, parts) = (time(nil), tm())
        gmtime_r(&now, &parts)
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            let length = strftime(start, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            return String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
        }
    }
}
