// The quantisation receipt: what packing lost, tensor by tensor, kept inside the archive.
import QuernJSON

/// What packing lost in one tensor.
public struct TensorReceipt: Sendable, Equatable {
    public let name: String
    public let error: QuantizationError
}

/// The receipt of an archive.
public struct Receipt: Sendable {
    public var tensors: [TensorReceipt] = []
    /// Figures on a text, when packing was asked for them: mean KL divergence and more.
    public var corpus: JSONValue?

    public init() {}

    /// The whole model's loss.
    public var total: QuantizationError { tensors.reduce(QuantizationError()) { $0 + $1.error } }

    var json: JSONValue {
        var object = JSONObject()
        object.append("rms_error", .double(total.relative))
        object.append("max_error", .double(total.largest))
        object.append("clamped", .int(Int64(total.clamped)))
        if let corpus { object.append("corpus", corpus) }
        object.append(
            "tensors",
            .array(tensors.map { tensor in
                [
                    "name": .string(tensor.name), "rms_error": .double(tensor.error.relative),
                    "max_error": .double(tensor.error.largest),
                ]
            }))
        return .object(object)
    }
}
