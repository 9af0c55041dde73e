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
        var byName: [String: TensorInfo] = [:]
        for want in expected {
            byName[want.name] = all[want.name]
            byName[want.name]?.isQuantizable = want.isQuantizable
        }
        self.byName = byName
        tensors = expected.compactMap { byName[$0.name] }
        notes = Self.notes(unnamed + found.map(\.name).filter { byName[$0] == nil })
    }

    /// What became of tensors that the text model does not need.
    private static func notes(_ extra: [String]) -> [String] {
        func isVision(_ name: String) -> Bool { name.hasPrefix("visual.") || name.hasPrefix("model.visual.") }
        func isDraft(_ name: String) -> Bool { name.hasPrefix("mtp.") || name.hasPrefix("model.mtp.") || name.contains(".nextn.") }
        let vision = extra.filter(isVision), drafts = extra.filter(isDraft)
        let others = extra.filter { !isVision($0) && !isDraft($0) }
        var notes: [String] = []
        if !vision.isEmpty { notes.append("\(vision.count) tensors of the vision tower were left out: only text is read") }
        if !drafts.isEmpty { notes.append("\(drafts.count) tensors of the draft head (MTP) were left out: nothing speculates with them yet") }
        if !others.isEmpty { notes.append("\(others.count) tensors that the architecture does not use were ignored: \(list(others))") }
        return notes
    }

    func tensor(named name: String) -> TensorInfo? { byName[name] }

    /// At most five names.
    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(5).map { printable($0.utf8) }.joined(separator: ", ")
        return names.count > 5 ? shown + ", …" : shown
    }
}
