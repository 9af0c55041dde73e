// The recurrent states of sequences, one slot each, and the copies of them that prefixes are resumed from.
//
// Owns: the bytes. Does not own: which slot belongs to whom (the engine). A slot holds all layers side by side, so that keeping
// and restoring a state is one copy. Invariant: a slot is zero or a copy before its sequence's first token.
import CQuernKernels

public struct RecurrentStorage: ~Copyable {
    public let layers: Int
    public let slotCount: Int
    /// Floats of one layer in one slot.
    public let stateCount: Int
    private let region: MemoryRegion

    /// - Parameter stateCount: floats that one sequence keeps in one layer; untouched slots cost no memory.
    public init(layers: Int, stateCount: Int, slotCount: Int) throws(SystemError) {
        self.layers = layers
        self.slotCount = slotCount
        self.stateCount = stateCount
        region = try MemoryRegion(byteCount: layers * stateCount * 4 * slotCount)
    }

    /// Bytes of one slot.
    public var slotByteCount: Int { layers * stateCount * 4 }
    public var byteCount: Int { slotByteCount * slotCount }

    private func slot(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < slotCount)
        return region.base + index * slotByteCount
    }

    func state(layer: Int, slot index: Int) -> UnsafeMutablePointer<Float> {
        precondition(layer >= 0 && layer < layers)
        return slot(index).assumingMemoryBound(to: Float.self) + layer * stateCount
    }

    /// The state before a first token.
    public func reset(_ index: Int) {
        slot(index).initializeMemory(as: UInt8.self, repeating: 0, count: slotByteCount)
    }

    public func copy(_ source: Int, to target: Int) {
        slot(target).copyMemory(from: slot(source), byteCount: slotByteCount)
    }
}

/// Which tokens of a step follow each other in one sequence, and that sequence's slot.
public struct SequenceRuns: @unchecked Sendable {
    public let capacity: Int
    let runs: UnsafeMutablePointer<qk_run>
    let slots: Int32s

    public init(capacity: Int, in arena: Arena) throws(SystemError) {
        self.capacity = capacity
        runs = try arena.allocate(byteCount: capacity * MemoryLayout<qk_run>.stride).bindMemory(to: qk_run.self, capacity: capacity)
        slots = try arena.integers(capacity)
    }

    /// Run `index` of the step has tokens `first` ..< `first + count` of the sequence in `slot`.
    public func set(_ index: Int, first: Int, count: Int, slot: Int) {
        precondition(index >= 0 && index < capacity && first >= 0 && count > 0)
        runs[index].first = Int32(first)
        runs[index].count = Int32(count)
        slots[index] = Int32(slot)
    }

    /// The tokens of run `index`.
    public func tokens(of index: Int) -> Range<Int> {
        precondition(index >= 0 && index < capacity)
        let first = Int(runs[index].first)
        return first..<(first + Int(runs[index].count))
    }
}
