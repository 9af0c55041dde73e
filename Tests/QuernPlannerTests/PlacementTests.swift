// How a served model divides a device's memory.
import QuernModel
import QuernPlanner
import Testing

@Suite struct PlacementTests {
    /// Nothing but memory: 1 GiB of which all may be used.
    private func device(_ memory: String, reserve: String = "1 KiB") throws -> DeviceProfile {
        let text = """
            name = Small
            memory.capacity = \(memory) ; read ; this test
            memory.share = 100 % ; read ; this test
            memory.reserve = \(reserve) ; read ; this test
            memory.bandwidth = 100 GB/s ; read ; this test
            """
        return try DeviceProfile(parsing: Array(text.utf8), id: "small", file: "small.profile")
    }

    private func place(
        _ config: [String: Int], type: String = "qwen3", context: Int, sequences: Int, on device: DeviceProfile
    ) throws -> Placement {
        var load = Workload(format: try #require(TensorFormat.named("q8")))
        (load.context, load.parallel) = (context, sequences)
        return try Placement(
            try ModelGeometry(configJSON: PlanTests.config(type, config, tied: true)), load, on: device, block: 128)
    }

    private static let tiny = [
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64,
        "intermediate_size": 64, "vocab_size": 256, "max_position_embeddings": 1 << 20,
    ]

    /// Two layers x 64 x keys and values x 2 bytes are 512 bytes a position.
    @Test func whatIsLeftIsForTheCache() throws {
        let placed = try place(Self.tiny, context: 1000, sequences: 16, on: try device("64 MiB"))
        let memory = placed.least.memory
        #expect(placed.fits)
        #expect(placed.sequences == 16)
        // Kept in blocks of 128 positions.
        #expect(memory.kv == 1024 * 512)
        let cache = try #require(placed.cacheBytes)
        #expect(cache + memory.weights + placed.workingBytes + memory.reserve == Double(64 << 20))
        let roomier = try place(Self.tiny, context: 1000, sequences: 16, on: try device("65 MiB"))
        #expect(roomier.cacheBytes == cache + Double(1 << 20))
        #expect(try device("64 MiB", reserve: "4 MiB").modelBudget == Double(60 << 20))
    }

    @Test func aContextTooLongIsRefusedWithWhatWouldFit() throws {
        let placed = try place(Self.tiny, context: 1 << 20, sequences: 1, on: try device("8 MiB"))
        #expect(!placed.fits)
        #expect(placed.cacheBytes.map { $0 < placed.least.memory.kv } == true)
        let text = placed.refusal(of: "tiny")
        for word in ["tiny with a context of 1048576 tokens does not fit small", "weights:", "KV cache:", "budget of small:"] {
            #expect(text.contains(word), "\(text)")
        }
        let line = try #require(text.split(separator: "\n").last { $0.contains("tokens fits") })
        let context = try #require(line.split(separator: " ").compactMap { Int($0) }.first)
        #expect(context > 0 && context % 128 == 0)
        #expect(try place(Self.tiny, context: context, sequences: 1, on: try device("8 MiB")).fits)
        #expect(try !place(Self.tiny, context: context + 128, sequences: 1, on: try device("8 MiB")).fits)
    }

    @Test func weightsTooLargeAreRefused() throws {
        let placed = try place(Self.tiny, context: 128, sequences: 1, on: try device("64 KiB"))
        #expect(!placed.fits)
        #expect(placed.refusal(of: "tiny").contains("take a smaller model"))
    }

    /// Recurrent states do not fit for everybody: fewer sequences are computed together.
    @Test func statesBoundTheSequences() throws {
        let hybrid = [
            "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64,
            "intermediate_size": 256, "vocab_size": 256, "linear_num_key_heads": 4, "linear_num_value_heads": 4,
            "linear_key_head_dim": 128, "linear_value_head_dim": 128, "max_position_embeddings": 4096,
        ]
        let placed = try place(hybrid, type: "qwen3_5_text", context: 1024, sequences: 64, on: try device("40 MiB"))
        #expect(placed.fits)
        #expect(placed.sequences > 1 && placed.sequences < 64)
        #expect(placed.cacheBytes.map { $0 >= placed.least.memory.kv } == true)
    }

    @Test func unknownMemoryBoundsNothing() throws {
        let text = "name = X\nmemory.capacity = unknown ; unknown ; nobody says\nmemory.bandwidth = 1 GB/s ; read ; this test"
        let device = try DeviceProfile(parsing: Array(text.utf8), id: "x", file: "x.profile")
        let placed = try place(Self.tiny, context: 1 << 20, sequences: 64, on: device)
        #expect(placed.fits)
        #expect(placed.cacheBytes == nil && device.modelBudget == nil)
        #expect(placed.sequences == 64)
    }
}
