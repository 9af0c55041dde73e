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
    let runs: SequenceRuns          // [maxRuns]
    private(set) var runCount = 0
    private var runStart = 0
    private var runSlot = -1
    let logitRows: Int32s           // [capacity]: which tokens of the step need logits
    private let arena: Arena

    init(capacity: Int, maxRuns: Int) throws(SystemError) {
        let arena = Arena(chunkByteCount: 1 << 20)
        let tokens = try arena.integers(capacity)
        let positions = try arena.integers(capacity)
        let references = try TokenReferences(capacity: capacity, in: arena)
        let logitRows = try arena.integers(capacity)
        let runs = try SequenceRuns(capacity: maxRuns, in: arena)
        self.capacity = capacity
        self.arena = arena
        self.tokens = tokens
        self.positions = positions
        self.references = references
        self.logitRows = logitRows
        self.runs = runs
    }

    mutating func reset() {
        count = 0
        logitCount = 0
        runCount = 0
        runSlot = -1
    }

    /// Adds one token of the sequence in `slot` whose blocks are `blocks`; tokens of one sequence follow each other.
    mutating func append(_ token: Int32, position: Int, blocks: Int32s, slot: Int, needsLogits: Bool) {
        tokens[count] = token
        positions[count] = Int32(position)
        references.set(count, blocks: blocks, position: position)
        if slot != runSlot {
            runSlot = slot
            runStart = count
            runCount += 1
        }
        runs.set(runCount - 1, first: runStart, count: count + 1 - runStart, slot: slot)
        if needsLogits {
            logitRows[logitCount] = Int32(count)
            logitCount += 1
        }
        count += 1
    }
}
