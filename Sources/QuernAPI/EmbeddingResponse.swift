// The answer of POST /v1/embeddings.
import Foundation
import QuernJSON

public enum EmbeddingResponse {
    /// - Parameter vectors: one per input, in the order of the inputs.
    public static func list(
        _ vectors: [[Float]], encoding: EmbeddingRequest.Encoding, model: String, _ measured: Measurements
    ) -> JSONValue {
        let data: [JSONValue] = vectors.enumerated().map { index, vector in
            ["object": "embedding", "index": .int(Int64(index)), "embedding": value(vector, encoding)]
        }
        return [
            "object": "list", "data": .array(data), "model": .string(model),
            "usage": [
                "prompt_tokens": .int(Int64(measured.promptTokens)), "total_tokens": .int(Int64(measured.promptTokens)),
            ],
            "timings": measured.timings,
        ]
    }

    /// Numbers, or the base64 of their little-endian single-precision bytes.
    private static func value(_ vector: [Float], _ encoding: EmbeddingRequest.Encoding) -> JSONValue {
        switch encoding {
        case .float: .array(vector.map { .double(Double($0)) })
        case .base64: .string(Data(vector.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }).base64EncodedString())
        }
    }
}
