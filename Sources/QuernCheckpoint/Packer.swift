// From any checkpoint to a packed model.
import Foundation
import QuernJSON
import QuernModel
import QuernTensor
import QuernTokenizer

/// What packing did.
public struct PackReport: Sendable {
    public var groupSize = 0
    public var tensorCount = 0
    public var sourceBytes = 0
    public var archiveBytes = 0
    public var receipt = Receipt()
}

public struct PackOptions: Sendable {
    public var group = GroupSize.automatic
    /// Of the weights; see `TileShape.packed`.
    public var bits = WeightBits.eight
    public var threads = 2
    /// Name clients will use; nil takes the source's.
    public var name: String?
    /// Goes into the receipt as it is.
    public var corpusFigures: JSONValue?

    public init() {}
}

public enum Packer {
    /// Writes `path`; an existing file is replaced only when everything succeeded.
    ///
    /// - Parameters:
    ///   - progress: weights done and in all; called from the packing thread.
    ///   - isCancelled: asked between tensors; true ends with `CancellationError` and leaves no file.
    public static func pack(
        _ source: any Checkpoint, to path: String, options: PackOptions = PackOptions(),
        progress: (Int, Int) -> Void = { _, _ in }, isCancelled: () -> Bool = { false }
    ) throws -> PackReport {
        guard !(source is Archive) else {
            throw CheckpointError(
                .unsupported, file: source.path, field: "", detail: "is packed already; pack from the original checkpoint")
        }
        let group = options.group.resolved(for: source, bits: options.bits)
        let index = ArchiveIndex(
            name: options.name ?? source.displayName, group: group, config: source.config,
            defaults: source.generationDefaults,
            source: ["name": .string(source.displayName), "format": .string(source.format)])
        var report = PackReport()
        report.groupSize = group
        let total = source.config.parameterCount
        var done = 0
        var writer = try ArchiveWriter(path: path, index: index)
        for tensor in source.tensors {
            if isCancelled() { throw CancellationError() }
            try add(tensor, from: source, group: group, options, to: &writer, &report)
            done += tensor.elementCount
            progress(done, total)
        }
        if let tokenizer = try source.tokenizerDefinition() { try writer.add(section: "tokenizer", tokenizer.serialized()) }
        if let template = source.chatTemplate { try writer.add(section: "chat_template", Array(template.utf8)) }
        report.receipt.corpus = options.corpusFigures
        try writer.add(section: "receipt", Array(report.receipt.json.serialized().utf8))
        if isCancelled() { throw CancellationError() }
        try writer.finish()
        report.tensorCount = source.tensors.count
        report.sourceBytes = source.tensors.reduce(0) { $0 + $1.byteCount }
        report.archiveBytes = (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        return report
    }

    private static func add(
        _ tensor: TensorInfo, from source: any Checkpoint, group: Int, _ options: PackOptions,
        to writer: inout ArchiveWriter, _ report: inout PackReport
    ) throws {
        guard tensor.isQuantizable else {
            let floats = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.elementCount)
            defer { floats.deallocate() }
            try source.readRows(of: tensor.name, rows: 0..<tensor.rows, into: floats)
            return try writer.add(
                tensor.name, kind: .f32, shape: tensor.shape, data: [UnsafeRawBufferPointer(floats)])
        }
        let shape = TileShape.packed(
            named: tensor.name, rows: tensor.rows, columns: tensor.columns, group: group, bits: options.bits)
        let region = try MemoryRegion(byteCount: shape.valueByteCount + shape.scaleCount * 2)
        try region.withBytes { bytes in
            let values = UnsafeMutableRawBufferPointer(rebasing: bytes[..<shape.valueByteCount])
            let scales = UnsafeMutableRawBufferPointer(rebasing: bytes[shape.valueByteCount...][..<(shape.valueByteCount + shape.scaleCount * 2)])
            let error = try Quantizer.quantize(
                source, tensor: tensor.name, shape: shape, values: values, scales: scales, threads: options.threads)
            report.receipt.tensors.append(TensorReceipt(name: tensor.name, error: error))
            try writer.add(
                tensor.name, kind: ArchiveTensor.Kind(shape.bits), group: shape.group, shape: tensor.shape,
                data: [UnsafeRawBufferPointer(values), UnsafeRawBufferPointer(scales)])
        }
    }
}
