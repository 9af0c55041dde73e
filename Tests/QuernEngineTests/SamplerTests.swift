// The sampler's distributions and its edge cases.
import Foundation
import QuernEngine
import QuernTensor
import Testing

@Suite struct SamplerTests {
    private let kernels: Kernels
    private let arena = Arena(chunkByteCount: 1 << 16)

    init() throws { kernels = Kernels(try #require(InstructionSet())) }

    private func frequencies(
        _ logits: [Float], draws: Int = 20_000, prompt: [TokenID] = [], _ configure: (inout SamplingParameters) -> Void
    ) throws -> [Double] {
        var parameters = SamplingParameters()
        parameters.seed = 7
        configure(&parameters)
        var sampler = Sampler(parameters, tokenCount: logits.count, prompt: prompt)
        let scratch = try arena.floats(logits.count)
        var counts = [Double](repeating: 0, count: logits.count)
        for _ in 0..<draws {
            for (index, logit) in logits.enumerated() { scratch[index] = logit }
            let drawn = sampler.sample(scratch, kernels: kernels)
            let token = try #require(drawn)
            counts[Int(token)] += 1
        }
        return counts.map { $0 / Double(draws) }
    }

    private func softmax(_ logits: [Float], temperature: Double = 1) -> [Double] {
        let weights = logits.map { exp(Double($0) / temperature) }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    @Test(arguments: [0.5, 1, 2.0]) func drawsFollowTheSoftmax(_ temperature: Double) throws {
        let logits: [Float] = [1, 0, 2.5, -1, 1.7, -30]
        let drawn = try frequencies(logits) { $0.temperature = Float(temperature) }
        for (seen, wanted) in zip(drawn, softmax(logits, temperature: temperature)) { #expect(abs(seen - wanted) < 0.02) }
    }

    @Test func topKKeepsTheLikeliest() throws {
        var logits = (0..<5000).map { Float($0 % 100) / 1000 }
        logits[4321] = 5
        logits[17] = 4
        let drawn = try frequencies(logits, draws: 4000) { $0.topK = 2 }
        #expect(drawn[4321] + drawn[17] == 1)
        #expect(abs(drawn[4321] - 0.731) < 0.03)
    }

    @Test func topPKeepsTheSmallestSufficientSet() throws {
        let logits: [Float] = [log(0.5), log(0.3), log(0.15), log(0.05)]
        let drawn = try frequencies(logits) { $0.topP = 0.75 }
        #expect(drawn[2] == 0 && drawn[3] == 0)
        #expect(abs(drawn[0] - 0.625) < 0.02)
        let tiny = try frequencies(logits, draws: 500) { $0.topP = 0.0001 }
        #expect(tiny[0] == 1)
    }

    @Test func topPOfAFlatDistributionLooksFarEnough() throws {
        let drawn = try frequencies([Float](repeating: 0, count: 3000), draws: 3000) { $0.topP = 0.5 }
        #expect(drawn[1500...].allSatisfy { $0 == 0 })
    }

    @Test func minPIsRelativeToTheBest() throws {
        let drawn = try frequencies([log(0.6), log(0.3), log(0.1)]) { $0.minP = 0.4 }
        #expect(drawn[2] == 0 && drawn[1] > 0.3)
    }

    @Test func penaltiesPushAwayFromWhatWasSeen() throws {
        let logits: [Float] = [2, 1.9, -1]
        #expect(try frequencies(logits, draws: 1, prompt: [0]) { $0.temperature = 0; $0.repetitionPenalty = 1.5 }[1] == 1)
        let spread = try frequencies(logits, draws: 30) { $0.temperature = 0; $0.frequencyPenalty = 0.2 }
        #expect(spread[0] > 0.3 && spread[1] > 0.3, "a frequency penalty alternates between near equals")
        let once = try frequencies(logits, draws: 3) { $0.temperature = 0; $0.presencePenalty = 0.2 }
        #expect(once[0] > 0 && once[1] > 0)
    }

    @Test func biasesForbidAndForce() throws {
        let logits: [Float] = [2, 1, 0]
        #expect(try frequencies(logits, draws: 50) { $0.logitBias = [0: -100, 1: -100] }[2] == 1)
        #expect(try frequencies(logits, draws: 50) { $0.logitBias = [2: 100] }[2] == 1)
    }

    @Test func notANumberIsRefused() throws {
        var sampler = Sampler(SamplingParameters(), tokenCount: 3, prompt: [])
        let scratch = try arena.floats(3)
        scratch[1] = .nan
        let drawn1 = sampler.sample(scratch, kernels: kernels)
        #expect(drawn1 == nil)
        scratch[1] = .infinity
        let drawn2 = sampler.sample(scratch, kernels: kernels)
        #expect(drawn2 == nil)
    }
}
