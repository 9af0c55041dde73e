// Accepting rests while the process has no descriptors left.
//
// A listener stays readable then, and the event loop would do nothing but fail to accept. NIO's AcceptBackoffHandler holds reads
// back, but the failed one stays pending and the listener registered; turning `autoRead` off takes it out of the selector.
import Logging
import NIOCore

final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private static let pause = TimeAmount.milliseconds(100)
    private static let silence = TimeAmount.seconds(10)

    private let logger: Logger
    private var silentUntil = NIODeadline.now()

    init(logger: Logger) { self.logger = logger }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is IOError else { return context.fireErrorCaught(error) }
        if NIODeadline.now() >= silentUntil {
            logger.warning("cannot accept connections", metadata: ["reason": "\(error)"])
            silentUntil = .now() + Self.silence
        }
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: Self.pause) { try? channel.syncOptions?.setOption(.autoRead, value: true) }
    }
}
