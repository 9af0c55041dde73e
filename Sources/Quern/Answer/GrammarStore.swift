// Compiled grammars of one model, so that equal constraints are compiled once.
//
// Owns: the cache, bounded in bytes and kept in memory only, and its threads for compiling: a heavy constraint delays other
// constraints, never a decode step. Invariant: a compilation is cancelled with the task that asked for it.
import QuernGrammar
import QuernTokenizer
import Synchronization

public final class GrammarStore: Sendable {
    private struct Cache {
        var grammars: [Grammar: (grammar: CompiledGrammar, cost: Int, used: UInt64)] = [:]
        var byteCount = 0
        var clock: UInt64 = 0
    }

    private let tokenizer: Tokenizer
    private let limits: GrammarLimits
    private let capacity: Int
    private let cache = Mutex(Cache())
    private let vocabulary = Mutex<Vocabulary?>(nil)
    private let executor = CompileExecutor()

    /// - Parameter capacity: bytes of compiled grammars to keep.
    public init(_ tokenizer: Tokenizer, limits: GrammarLimits = GrammarLimits(), capacity: Int = 64 << 20) {
        self.tokenizer = tokenizer
        self.limits = limits
        self.capacity = capacity
    }

    /// Bytes of grammars that are kept now.
    public var byteCount: Int { cache.withLock { $0.byteCount } }

    public func compiled(_ grammar: Grammar) async throws(GrammarError) -> CompiledGrammar {
        if let known = find(grammar) { return known }
        let result = await withTaskExecutorPreference(executor) { await self.compile(grammar) }
        let compiled = try result.get()
        keep(compiled, for: grammar)
        return compiled
    }

    /// Nonisolated and asynchronous: runs on the preferred executor.
    private func compile(_ grammar: Grammar) async -> Result<CompiledGrammar, GrammarError> {
        let vocabulary = vocabulary.withLock { known in
            let made = known ?? Vocabulary(tokenizer)
            known = made
            return made
        }
        return Result { () throws(GrammarError) in
            try CompiledGrammar.compile(grammar, vocabulary: vocabulary, limits: limits)
        }
    }

    private func find(_ grammar: Grammar) -> CompiledGrammar? {
        cache.withLock { cache in
            cache.clock += 1
            cache.grammars[grammar]?.used = cache.clock
            return cache.grammars[grammar]?.grammar
        }
    }

    private func keep(_ compiled: CompiledGrammar, for grammar: Grammar) {
        let cost = compiled.byteCount + grammar.byteCount
        guard cost <= capacity else { return }
        cache.withLock { cache in
            cache.clock += 1
            if let old = cache.grammars.updateValue((compiled, cost, cache.clock), forKey: grammar) { cache.byteCount -= old.cost }
            cache.byteCount += cost
            while cache.byteCount > capacity, let oldest = cache.grammars.min(by: { $0.value.used < $1.value.used }) {
                cache.grammars[oldest.key] = nil
                cache.byteCount -= oldest.value.cost
            }
        }
    }
}
