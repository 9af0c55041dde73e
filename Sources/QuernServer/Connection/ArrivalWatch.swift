// The first handler of a connection: tells of every arrival of bytes, before they are decoded.
import NIOCore

final class ArrivalWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let onArrival: (ByteBufferView) -> Void

    init(_ onArrival: @escaping (ByteBufferView) -> Void) { self.onArrival = onArrival }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        onArrival(unwrapInboundIn(data).readableBytesView)
        context.fireChannelRead(data)
    }
}
