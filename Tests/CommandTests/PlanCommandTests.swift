// quern plan, devices and calibrate as users meet them: tables, JSON, refusals with their exit status.
import Foundation
import QuernJSON
import TestSupport
import Testing

@Suite(.serialized) struct PlanCommandTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func quern(_ arguments: String..., environment: [String: String] = [:]) throws -> QuernBinary.Result {
        try QuernBinary.run(arguments, environment: environment, folder: folder.url)
    }

    /// Qwen3-8B's shape.
    private func config() throws -> String {
        let json: JSONValue = [
            "model_type": "qwen3", "hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
            "head_dim": 128, "intermediate_size": 12288, "vocab_size": 151_936, "max_position_embeddings": 40960,
            "tie_word_embeddings": false,
        ]
        return try folder.write("config.json", Array(json.serialized().utf8))
    }

    @Test(arguments: ["plan", "devices", "calibrate"]) func helpHasExamples(_ command: String) throws {
        let help = try quern(command, "--help")
        #expect(help.status == 0)
        #expect(help.text.contains("Examples:"))
        #expect(help.text.contains("quern \(command)"))
    }

    @Test func jsonContract() throws {
        let result = try quern(
            "plan", try config(), "--device", "h20-96gb", "--precision", "bf16", "--input", "6144", "--output", "2048", "--batch", "1",
            "--json")
        #expect(result.status == 0, "\(result.error)")
        let json = try JSONValue(parsing: result.output)
        #expect(json["fits"]?.boolValue == true)
        #expect(json["memory"]?["kv"]?.intValue == Int64(8192 * 144 * 1024))
        #expect(json["bottleneck"]?.stringValue == "weights")
        // The Qwen3 speed page has 296.25 tokens per second for this load.
        let rate = try #require(json["request"]?["tokens_per_second"]?.doubleValue)
        #expect(abs(rate / 296.25 - 1) < 0.1)
    }

    @Test func severalDevicesSideBySide() throws {
        let plot = folder.path("roof.svg")
        let result = try quern("plan", try config(), "--device", "h20-96gb", "--device", "zhenwu-810e", "--plot", plot)
        #expect(result.status == 0, "\(result.error)")
        #expect(result.text.contains("h20-96gb") && result.text.contains("zhenwu-810e"))
        #expect(try String(contentsOfFile: plot, encoding: .utf8).hasPrefix("<svg"))
        let all = try JSONValue(parsing: try quern("plan", try config(), "--compare", "--json").output)
        #expect((all.arrayValue?.count ?? 0) >= 15)
    }

    @Test func tooLargeIsRefusedWithTheLedger() throws {
        let result = try quern("plan", try config(), "--device", "l20", "--context", "40960", "--parallel", "16")
        #expect(result.status == 65)
        #expect(result.text.contains("NO"))
        for word in ["does not fit l20", "weights:", "KV cache:", "budget of l20:"] { #expect(result.error.contains(word), "\(word)") }
        let json = try quern("plan", try config(), "--device", "l20", "--context", "40960", "--parallel", "16", "--json")
        #expect(json.status == 65)
        #expect(try JSONValue(parsing: json.output)["fits"]?.boolValue == false)
    }

    @Test func badProfilesNameLineAndKey() throws {
        let model = try config()
        for (line, words) in [
            ("memory.bandwith = 2 TB/s ; read ; x", ["memory.bandwith", "not a key"]),
            ("memory.bandwidth = -2 TB/s ; read ; x", ["memory.bandwidth", "positive"]),
            ("memory.bandwidth = 2 TB ; read ; x", ["memory.bandwidth", "unit"]),
        ] {
            let path = try folder.write("bad.profile", Array("name = Bad\n\(line)\n".utf8))
            let result = try quern("plan", model, "--device", path)
            #expect(result.status == 65)
            #expect(result.output.isEmpty)
            for word in words + ["bad.profile:2"] { #expect(result.error.contains(word), "\(result.error)") }
        }
    }

    @Test func usersMistakes() throws {
        let model = try config()
        #expect(try quern("plan", model, "--device", "abacus").status == 66)
        #expect(try quern("plan", model, "--device", "host").status == 66)
        #expect(try quern("plan", model, "--device", "h20-96gb", "--engine", "steam").status == 2)
        #expect(try quern("plan", model, "--device", "h20-96gb", "--chips", "64").status == 2)
        #expect(try quern("plan", model, "--precision", "int3").status == 2)
        #expect(try quern("plan", model, "--batch", "0").status == 2)
        #expect(try quern("plan", model, "--input", "9223372036854775807").status == 2)
        let odd = try folder.write("odd.json", Array("{\"model_type\": \"qwen3\", \"hidden_size\": -1}".utf8))
        let result = try quern("plan", odd)
        #expect(result.status == 65)
        #expect(result.error.contains("/hidden_size"))
        #expect(try quern("plan", try folder.write("no.json", Array("{".utf8))).status == 65)
        #expect(try quern("plan", folder.path("none.json")).status == 66)
    }

    @Test func aCheckpointIsPlannedFromItsHeaders() throws {
        let result = try quern("plan", QuernBinary.tinyChat, "--device", "h20-96gb", "--json")
        #expect(result.status == 0, "\(result.error)")
        #expect(try JSONValue(parsing: result.output)["model"]?["parameters"]?.intValue.map { $0 > 1000 } == true)
    }

    @Test func devicesCanBeListedAndCopied() throws {
        let list = try quern("devices")
        #expect(list.status == 0)
        #expect(list.text.contains("zhenwu-810e-as-stated") && list.text.contains("host: not measured yet"))
        #expect(try quern("devices", "zhenwu-810e").text.contains("PingGuoLiZiJvZi/ppu"))
        let copy = try folder.write("mine.profile", try quern("devices", "h20-96gb", "--text").output)
        #expect(try quern("plan", try config(), "--device", copy).status == 0)
        #expect(try JSONValue(parsing: try quern("devices", "--json").output).arrayValue?.isEmpty == false)
    }

    @Test func calibratingMakesTheHostADevice() throws {
        let data = folder.path("data")
        let measured = try quern("calibrate", "--threads", "1", environment: ["XDG_DATA_HOME": data])
        #expect(measured.status == 0, "\(measured.error)")
        #expect(measured.text.contains("kernel.q8.compute.1"))
        let plan = try quern("plan", try config(), "--device", "host", "--json", environment: ["XDG_DATA_HOME": data])
        #expect(plan.status == 0 || plan.status == 65, "\(plan.error)")
        let rate = try JSONValue(parsing: plan.output)["decode"]?["tokens_per_second"]?["expected"]?.doubleValue
        #expect(rate.map { $0 > 0 && $0.isFinite } == true)
    }
}
