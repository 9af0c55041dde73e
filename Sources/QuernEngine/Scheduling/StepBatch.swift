// The tokens of one forward pass, from any number of sequences.
//
// Owns: fixed buffers that the scheduler fills and the layers read. Invariant: token ids and positions were validated
// when their request was admitted; nothing here is checked against the vocabulary again.
import QuernTensor

struct StepBatch: ~Copyable {
    let capacity: Int
    private(set) var count = 0
    private(set) var logitCount = 0
    let tokens: Int32s              // [capacity]
    let positions: Int32s           // [capacity]
    let references: TokenReferences // [capacity]
    let logitRows: Int32s           // [capacity]: which tokens of the step need logits
    private let arena: Arena

    init(capacity: Int) throws(SystemError) {
        let arena = Arena(chunkByteCount: 1 << 20)
        let tokens = try arena.integers(capacity)
        let positions = try arena.integers(capacity)
        let references = try TokenReferences(capacity: capacity, in: arena)
        let logitRows = try arena.integers(capacity)
        self.capacity = capacity
        self.arena = arena
        self.tokens = tokens
        self.positions = positions
        self.references = references
        self.logitRows = logitRows
    }

    mutating func reset() {
        count = 0
        logitCount = 0
    }

    /// Adds one token of the sequence whose blocks are `blocks`.
    mutating func append(_ token: Int32, position: Int, blocks: Int32s, needsLogits: Bool) {
        tokens[count] = token
        positions[count] = Int32(position)
        references.set(count, blocks: blocks, position: position)
        if needsLogits {
            logitRows[logitCount] = Int32(count)
            logitCount += 1
        }
        count += 1
    }
}
