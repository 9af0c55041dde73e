// Real checkpoints, token for token against transformers in f32 (scripts/golden/greedy.py).
import QuernCheckpoint
import QuernEngine
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct GreedyTests {
    static let models = [
        ("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
        ("smollm2-135m", "SmolLM2-135M-Instruct.Q4_1.gguf"),
    ]

    @Test(
        .enabled(
            if: models.allSatisfy { SharedData.model($0.1) != nil },
            "needs the checkpoints that scripts/fetch-model.sh brings, in models/ or QUERN_TEST_MODELS"),
        arguments: models.map(\.0))
    func floatPathEqualsTransformers(_ name: String) async throws {
        let file = try #require(Self.models.first { $0.0 == name }?.1)
        let path = try #require(SharedData.model(file))
        var options = EngineOptions()
        options.precision = .float32
        options.contextLength = 512
        options.maxSequences = 3
        let engine = try Engine(try openCheckpoint(path: path), options: options)
        let prompts = try #require(try Fixtures.json("greedy/\(name).json").objectValue?["prompts"]?.arrayValue)
        try #require(prompts.count >= 3)
        let cases = prompts.compactMap(\.objectValue).map {
            ($0["prompt_ids"]?.tokens ?? [], $0["completion_ids"]?.tokens ?? [])
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (prompt, expected) in cases {
                group.addTask {
                    #expect(expected.count == 64)
                    let ours = try await complete(engine, prompt, count: expected.count)
                    #expect(ours == expected)
                }
            }
            try await group.waitForAll()
        }
    }
}
