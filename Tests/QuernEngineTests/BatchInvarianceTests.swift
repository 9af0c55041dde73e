// The promise that makes prefix caches, preemption and speculation exact: bits do not depend on company.
import QuernEngine
import QuernJSON
import QuernTensor
import Testing

@Suite struct BatchInvarianceTests {
    private func prompt(_ seed: Int, count: Int) -> [TokenID] { (0..<count).map { TokenID(($0 * 37 + seed * 11) % 250) } }

    @Test(arguments: ["tiny-llama", "tiny-qwen2", "tiny-qwen3"] + GoldenLogitsTests.mixed)
    func concurrentSequencesDoNotChangeEachOther(_ name: String) async throws {
        let engine = try Fixtures.engine(name, precision: .int8)
        var alone: [[TokenID]] = []
        for seed in 0..<6 {
            alone.append(try await complete(engine, prompt(seed, count: 3 + 17 * seed), count: 20 + seed))
        }
        let together = try await withThrowingTaskGroup(of: (Int, [TokenID]).self) { group in
            for seed in 0..<6 {
                group.addTask {
                    (seed, try await complete(engine, prompt(seed, count: 3 + 17 * seed), count: 20 + seed))
                }
            }
            return try await group.reduce(into: [Int: [TokenID]]()) { $0[$1.0] = $1.1 }
        }
        for seed in 0..<6 { #expect(together[seed] == alone[seed]) }
    }

    @Test(arguments: ["tiny-qwen3"] + GoldenLogitsTests.mixed) func logitsDoNotDependOnThreads(_ name: String) throws {
        let tokens = prompt(3, count: 40)
        let reference = try Fixtures.engine(name, precision: .int8, threads: 1)
            .logits(tokens: tokens, positions: Set(tokens.indices))
        for threads in [2, 3] {
            let engine = try Fixtures.engine(name, precision: .int8, threads: threads)
            #expect(try engine.logits(tokens: tokens, positions: Set(tokens.indices)) == reference)
        }
    }

    /// A prompt computed one, seven or 64 tokens at a time, on any instruction set.
    @Test(arguments: ["tiny-qwen3"] + GoldenLogitsTests.mixed) func chunksDoNotChangeLogits(_ name: String) throws {
        let tokens = prompt(4, count: 150)
        let checkpoint = try Fixtures.checkpoint(name)
        func logits(chunk: Int, _ instructionSet: String? = nil) throws -> [[Float]] {
            var options = EngineOptions()
            options.threads = 2
            options.prefillChunk = chunk
            options.instructionSet = instructionSet
            return try Engine(checkpoint, options: options).logits(tokens: tokens, positions: [0, 6, 63, 64, 149])
        }
        let reference = try logits(chunk: 64)
        for chunk in [1, 7] { #expect(try logits(chunk: chunk) == reference, "chunks of \(chunk)") }
        #expect(try logits(chunk: 64, "scalar") == reference, "the scalar kernels")
    }

    /// Weights of fewer bits, 8-bit activations, an int8 cache: each is as independent of company as the default.
    @Test(arguments: ["bits 4", "bits 6", "int8-fast", "kv int8"])
    func optionsKeepThePromise(_ name: String) throws {
        var options = EngineOptions()
        switch name {
        case "bits 4": options.weightBits = .four
        case "bits 6": options.weightBits = .six
        case "int8-fast": options.precision = .int8Fast
        default: options.cacheFormat = .int8
        }
        options.threads = 1
        let plain = try Fixtures.engine("tiny-qwen3", precision: .int8, threads: 1)
        let checkpoint = try Fixtures.checkpoint("tiny-qwen3")
        let tokens: [TokenID] = (0..<200).map { TokenID(($0 * 7 + 3) % 60) }
        let alone = try Engine(checkpoint, options: options)
        options.threads = 3
        options.instructionSet = "scalar"
        let scalar = try Engine(checkpoint, options: options)
        let expected = try alone.logits(tokens: tokens, positions: [0, 130, 199])
        #expect(try scalar.logits(tokens: tokens, positions: [0, 130, 199]) == expected)
        #expect(try alone.logits(tokens: Array(tokens[...130]), positions: [130]) == [expected[1]])
        #expect(try plain.logits(tokens: tokens, positions: [199]) != [expected[2]], "\(name) changes something")
    }

    @Test func promptsLongerThanAChunkEqualShorterOnes() async throws {
        // 300 tokens take two prefill chunks; logits() takes chunks of 16. Both must choose the same token.
        let engine = try Fixtures.engine("tiny-qwen2", precision: .int8)
        let tokens = prompt(5, count: 300)
        let next = try await complete(engine, tokens, count: 1)
        let row = try engine.logits(tokens: tokens, positions: [299])[0]
        let best = try #require(row.indices.max { row[$0] < row[$1] })
        #expect(next == [TokenID(best)])
    }

    @Test func seededSamplingRepeats() async throws {
        let engine = try Fixtures.engine("tiny-llama", precision: .int8)
        var sampling = SamplingParameters()
        sampling.seed = 42
        let first = try await complete(engine, prompt(1, count: 9), count: 30, sampling: sampling)
        let second = try await complete(engine, prompt(1, count: 9), count: 30, sampling: sampling)
        sampling.seed = 43
        let other = try await complete(engine, prompt(1, count: 9), count: 30, sampling: sampling)
        #expect(first == second)
        #expect(first != other)
    }
}
