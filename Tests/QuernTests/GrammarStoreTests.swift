// Compiled constraints of one model: equal ones once, many distinct ones within the memory that was set aside.
import Foundation
import Quern
import QuernGrammar
import QuernJSON
import TestSupport
import Testing

@Suite struct GrammarStoreTests {
    private func store(_ capacity: Int) throws -> GrammarStore {
        GrammarStore(try #require(try LoadedModel.load(path: QuernBinary.tinyChat).tokenizer), capacity: capacity)
    }

    private func tiny(_ index: Int) -> Grammar { .schema(["const": .int(Int64(index))], spacing: .fixed, pointer: "") }

    @Test func distinctConstraintsStayWithinTheCapacity() async throws {
        let capacity = 256 << 10
        let store = try store(capacity)
        var kept = 0
        for index in 0..<5_000 {
            _ = try await store.compiled(tiny(index))
            kept = max(kept, store.byteCount)
            guard store.byteCount <= capacity else { break }
        }
        #expect(store.byteCount <= capacity)
        #expect(kept > capacity / 2, "nothing is kept")
    }

    @Test func equalConstraintsAreCompiledOnce() async throws {
        let store = try store(64 << 20)
        let first = try await store.compiled(tiny(1))
        let others = try await withThrowingTaskGroup(of: CompiledGrammar.self) { group in
            for index in 0..<20 { group.addTask { try await store.compiled(tiny(index)) } }
            return try await group.reduce(into: [CompiledGrammar]()) { $0.append($1) }
        }
        #expect(others.contains { $0 === first })
        let again = try await store.compiled(tiny(1))
        #expect(again === first)
    }

    /// Who waits for a heavy constraint and gives up, frees the thread for the next.
    @Test func cancelledCompilationsMakeRoom() async throws {
        let store = try store(64 << 20)
        let heavy = (0..<64).map { index in
            Task { _ = try await store.compiled(.regex("x\(index)(a|b)*a(a|b){30}")) }
        }
        for task in heavy { task.cancel() }
        for task in heavy {
            let error = await #expect(throws: GrammarError.self) { try await task.value }
            #expect(error?.kind == .cancelled || error?.kind == .tooComplex)
        }
        #expect(store.byteCount == 0)
        _ = try await store.compiled(tiny(1))
    }
}
