// Calibrating on probes that a known host would give finds that host again.
import QuernJSON
import QuernModel
import QuernPlanner
import Testing

@Suite struct HostCalibrationTests {
    private static let truth = """
        name = Known host
        memory.read = 30 GB/s ; measured ; here
        [engine quern]
        layer.overhead = 20 us ; measured ; here
        activation.read = 8 GB/s ; measured ; here
        kernel.q8.compute.1 = 50 GFLOPS ; measured ; here
        kernel.q8.compute.4 = 130 GFLOPS ; measured ; here
        kernel.q8.compute.256 = 320 GFLOPS ; measured ; here
        attention.read = 20 GB/s ; measured ; here
        attention.step = 18 GFLOPS ; measured ; here
        attention.compute = 40 GFLOPS ; measured ; here
        chunk = 256 ; measured ; here
        """

    private func model(hidden: Int, width: Int, heads: Int, kvHeads: Int, layers: Int) throws -> ModelGeometry {
        try ModelGeometry(configJSON: PlanTests.config("llama", [
            "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kvHeads,
            "head_dim": 64, "intermediate_size": width, "vocab_size": 4096, "max_position_embeddings": 4096,
        ], tied: true))
    }

    private func plan(_ model: ModelGeometry, on profile: DeviceProfile, batch: Int, context: Int) throws -> Plan {
        var load = Workload(format: try #require(TensorFormat.named("q8")))
        load.input = context
        load.output = 16
        load.batch = batch
        return try Plan(model, load, on: profile)
    }

    private func probe(_ model: ModelGeometry, on profile: DeviceProfile) throws -> ModelProbe {
        var probes: [StepProbe] = []
        for (batch, context) in [(1, 32), (4, 32), (1, 2048)] {
            let step = try plan(model, on: profile, batch: batch, context: context).step
            probes.append(StepProbe(.decode(sequences: batch, context: Double(context) + 8), seconds: step.seconds))
        }
        for tokens in [256, 2048] {
            let prefill = try plan(model, on: profile, batch: 1, context: tokens).prefill
            probes.append(StepProbe(.prefill(tokens: tokens), seconds: prefill.seconds))
        }
        return ModelProbe(model, probes)
    }

    @Test func findsAKnownHost() throws {
        let host = try DeviceProfile(parsing: Array(Self.truth.utf8), id: "host", file: "truth")
        let subjects = [
            try probe(model(hidden: 1024, width: 4096, heads: 16, kvHeads: 2, layers: 5), on: host),
            try probe(model(hidden: 512, width: 1536, heads: 8, kvHeads: 4, layers: 18), on: host),
            try probe(model(hidden: 64, width: 64, heads: 1, kvHeads: 1, layers: 64), on: host),
        ]
        let format = try #require(TensorFormat.named("q8"))
        let engine = HostCalibration(subjects, format: format, chunk: 256, source: "test").engine(named: "quern")
        let found = DeviceProfile(id: "host", name: "Found", facts: host.facts, engines: [engine])
        // Models of other shapes than those probed.
        for shape in [(896, 4864, 14, 2, 24), (576, 1536, 9, 3, 30), (1536, 8960, 12, 2, 28)] {
            let model = try model(hidden: shape.0, width: shape.1, heads: shape.2, kvHeads: shape.3, layers: shape.4)
            for (batch, context) in [(1, 128), (4, 128), (1, 2048), (4, 2048)] {
                let expected = try plan(model, on: host, batch: batch, context: context)
                let predicted = try plan(model, on: found, batch: batch, context: context)
                #expect(abs(predicted.decodeRate.expected / expected.decodeRate.expected - 1) < 0.05, "\(shape) \(batch) \(context)")
                #expect(abs(predicted.prefillRate.expected / expected.prefillRate.expected - 1) < 0.05, "\(shape) \(batch) \(context)")
            }
        }
    }

    /// Products of smaller groups take as much longer as the profile says, and their scales are more bytes.
    @Test func groupsOf32AreSlower() throws {
        let host = try DeviceProfile(parsing: Array((Self.truth + "\ngroups.32 = 80 % ; measured ; here").utf8), id: "host", file: "truth")
        let model = try model(hidden: 896, width: 4864, heads: 14, kvHeads: 2, layers: 24)
        func cost(_ format: TensorFormat) throws -> (products: Double, rest: Double, bytes: Double) {
            var load = Workload(format: format)
            load.input = 512
            let plan = try Plan(model, load, on: host)
            let products = plan.prefill.items.filter { $0.term.hasPrefix("kernel.q8.compute.256") }.reduce(0) { $0 + $1.seconds }
            return (products, plan.prefill.seconds - products, plan.memory.weights)
        }
        let format = try #require(TensorFormat.named("q8"))
        let (large, small) = (try cost(format), try cost(format.inGroups(of: 32)))
        #expect(abs(small.products / large.products - 1.25) < 1e-9)
        #expect(abs(small.bytes / large.bytes - 8.5 / 8.25) < 1e-3)
        #expect(format.inGroups(of: 64) == format)
    }

    @Test func withoutProbesNothingIsKnown() throws {
        let format = try #require(TensorFormat.named("q8"))
        let engine = HostCalibration([], format: format, chunk: 256, source: "test").engine(named: "quern")
        #expect(engine.facts.entries.map(\.key) == ["chunk"])
    }
}
