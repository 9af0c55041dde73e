// Work that was done here against the same work on another device.
import QuernModel
import QuernPlanner
import Testing

@Suite struct DeviceProjectionTests {
    private func projection() throws -> DeviceProjection {
        let load = Workload(format: try #require(TensorFormat.named("bf16")))
        let profile = try #require(try DeviceProfile.builtIn("zhenwu-810e"))
        return try DeviceProjection(try ModelGeometry(configJSON: PlanTests.hybrid), load, on: profile)
    }

    private func work(
        steps: Int = 1, sequences: Int, positions: Int, promptTokens: Int = 0, promptPositions: Int = 0
    ) -> StepWork {
        StepWork(
            steps: steps, sequences: sequences, positions: positions, promptTokens: promptTokens, promptPositions: promptPositions)
    }

    /// 224 to 273 tokens per second were measured.
    @Test func aDecodingStepIsThePlannedOne() throws {
        let projection = try projection()
        let step = work(sequences: 1, positions: 528)
        let seconds = projection.seconds(step)
        #expect(seconds.low <= seconds.expected && seconds.expected <= seconds.high)
        #expect(seconds.expected == projection.expectedSeconds(step))
        #expect(1 / seconds.expected > 190 && 1 / seconds.expected < 314)
        #expect(projection.bottleneck(step) == .launch || projection.bottleneck(step) == .weights)
    }

    @Test func longerAndFullerStepsTakeLonger() throws {
        let projection = try projection()
        func seconds(_ work: StepWork) -> Double { projection.expectedSeconds(work) }
        #expect(seconds(work(sequences: 1, positions: 4096)) > seconds(work(sequences: 1, positions: 128)))
        #expect(seconds(work(sequences: 8, positions: 8 * 128)) > seconds(work(sequences: 1, positions: 128)))
        let mixed = work(sequences: 1, positions: 128, promptTokens: 256, promptPositions: 256 * 128)
        #expect(seconds(mixed) > seconds(work(sequences: 1, positions: 128)))
        let long = work(sequences: 0, positions: 0, promptTokens: 256, promptPositions: 256 * 4096)
        #expect(seconds(long) > seconds(work(sequences: 0, positions: 0, promptTokens: 256, promptPositions: 256 * 128)))
        #expect(seconds(work(sequences: 0, positions: 0)) == 0)
    }

    /// What several steps take is what they take one by one, also when their sequences differ in number.
    @Test func stepsAddUp() throws {
        let projection = try projection()
        func seconds(_ work: StepWork) -> Double { projection.expectedSeconds(work) }
        let three = seconds(work(steps: 3, sequences: 3, positions: 300 + 301 + 302))
        let each = (300...302).reduce(0.0) { $0 + seconds(work(sequences: 1, positions: $1)) }
        #expect(abs(three / each - 1) < 1e-9)
        let uneven = seconds(work(steps: 2, sequences: 3, positions: 300))
        let apart = seconds(work(sequences: 1, positions: 100)) + seconds(work(sequences: 2, positions: 200))
        #expect(abs(uneven / apart - 1) < 1e-9)
    }
}
