// Logits of tiny random checkpoints against transformers (scripts/golden/tiny_checkpoints.py).
import QuernEngine
import QuernJSON
import Testing

@Suite struct GoldenLogitsTests {
    static let names = ["tiny-llama", "tiny-llama3rope", "tiny-yarn", "tiny-qwen2", "tiny-qwen3"]

    private func compare(_ name: String, precision: Precision) throws -> (worst: Float, spread: Float) {
        let fixture = try Fixtures.json("logits/\(name).json")
        let tokens = try #require(fixture.objectValue?["tokens"]).tokens
        let rows = try #require(fixture.objectValue?["logits"]?.arrayValue).map(\.floats)
        let engine = try Fixtures.engine(name, precision: precision)
        let positions = try #require(fixture.objectValue?["positions"]).tokens.map(Int.init)
        let logits = try engine.logits(tokens: tokens, positions: Set(positions))
        try #require(logits.count == rows.count)
        var worst: Float = 0
        var spread: Float = 0
        for (ours, theirs) in zip(logits, rows) {
            try #require(ours.count == theirs.count)
            for (a, b) in zip(ours, theirs) { worst = max(worst, abs(a - b)) }
            spread = max(spread, (theirs.max() ?? 0) - (theirs.min() ?? 0))
        }
        return (worst, spread)
    }

    @Test(arguments: names) func floatPathAgreesWithTransformers(_ name: String) throws {
        let (worst, spread) = try compare(name, precision: .float32)
        #expect(spread > 1, "a fixture with flat logits proves nothing")
        #expect(worst < 2e-3)
    }

    @Test(arguments: names) func int8PathStaysClose(_ name: String) throws {
        let (worst, spread) = try compare(name, precision: .int8)
        #expect(worst < 0.05 * spread, "worst \(worst) of a spread of \(spread)")
        #expect(worst > 1e-6, "identical logits would mean that nothing was quantised")
    }
}
