// What sequences remember: keys and values in blocks, recurrent states in slots.
//
// Owns: both storages. Does not own: who holds which block or slot (BlockCache, Scheduler). A recurrent state cannot be cut to a
// shorter prefix, so a prefix of a model that has one is resumed only where a copy of its state was kept.
import QuernModel
import QuernTensor

final class SequenceMemory {
    let cache: KVStorage
    let states: RecurrentStorage
    /// Slots of running sequences; those after them hold copies.
    let sequenceSlots: Int

    /// Memory that copies of states may take.
    static let snapshotByteLimit = 512 << 20
    static let snapshotCounts = 4...64

    init(config: ModelConfig, blockCount: Int, sequences: Int, format: KVFormat) throws(SystemError) {
        let linearLayers = config.layerKinds.count { $0 == .linear }
        let stateCount = linearLayers > 0 ? config.linearAttention?.stateCount ?? 0 : 0
        let slotBytes = linearLayers * stateCount * 4
        let snapshots = slotBytes == 0
            ? 0 : min(max(Self.snapshotByteLimit / slotBytes, Self.snapshotCounts.lowerBound), Self.snapshotCounts.upperBound)
        cache = try KVStorage(
            layers: config.layerCount - linearLayers, blockCount: blockCount, kvHeads: config.kvHeadCount,
            headDim: config.headDim, format: format)
        states = try RecurrentStorage(layers: linearLayers, stateCount: stateCount, slotCount: sequences + snapshots)
        sequenceSlots = sequences
    }

    /// Prefixes need a kept state to be resumed.
    var hasStates: Bool { states.slotByteCount > 0 }
    /// Slots for copies of states.
    var snapshotSlots: Range<Int> { sequenceSlots..<states.slotCount }
    var byteCount: Int { cache.byteCount + states.byteCount }
}
