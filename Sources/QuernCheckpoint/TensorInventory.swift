// The tensors a file has against the tensors its configuration needs.
//
// Invariant: after `init` every expected tensor is there with its shape, so that packing, loading and a forward pass have
// no error path for it.
import QuernModel

struct TensorInventory: Sendable {
    /// The expected tensors, in the order of a forward pass.
    let tensors: [TensorInfo]
    /// What the file holds beyond them, as one line; empty when there is nothing.
    let notes: [String]
    private let byName: [String: TensorInfo]

    /// - Parameter found: everything in the file, by canonical name where there is one.
    init(_ found: [TensorInfo], unnamed: [String] = [], config: ModelConfig, file: String) throws(CheckpointError) {
        let all = Dictionary(found.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let expected = config.expectedTensors
        let missing = expected.filter { all[$0.name] == nil }.map(\.name)
        guard missing.isEmpty else {
            throw CheckpointError(
                .inconsistent, file: file, field: "tensors",
                detail: "\(missing.count) of the configuration \(missing.count == 1 ? "is" : "are") missing: \(Self.list(missing))")
        }
        for want in expected {
            guard let have = all[want.name], have.shape != want.shape else { continue }
            throw CheckpointError(
                .inconsistent, file: file, field: "tensor \"\(want.name)\"", byteOffset: have.fileOffset,
                detail: "shape \(have.shape), expected \(want.shape)")
        }
        let byName = Dictionary(expected.compactMap { want in all[want.name].map { (want.name, $0) } }, uniquingKeysWith: { a, _ in a })
        self.byName = byName
        tensors = expected.compactMap { all[$0.name] }
        let extra = unnamed + found.map(\.name).filter { byName[$0] == nil }
        notes = extra.isEmpty
            ? [] : ["\(extra.count) tensors that the architecture does not use were ignored: \(Self.list(extra))"]
    }

    func tensor(named name: String) -> TensorInfo? { byName[name] }

    /// At most five names.
    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(5).map { printable($0.utf8) }.joined(separator: ", ")
        return names.count > 5 ? shown + ", …" : shown
    }
}
