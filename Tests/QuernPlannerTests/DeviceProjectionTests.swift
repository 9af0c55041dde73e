// A step measured here against the same step on another device.
import QuernModel
import QuernPlanner
import Testing

@Suite struct DeviceProjectionTests {
    private func projection() throws -> DeviceProjection {
        let load = Workload(format: try #require(TensorFormat.named("bf16")))
        let profile = try #require(try DeviceProfile.builtIn("zhenwu-810e"))
        return try DeviceProjection(try ModelGeometry(configJSON: PlanTests.hybrid), load, on: profile)
    }

    @Test func aDecodingStepIsThePlannedOne() throws {
        let projection = try projection()
        let step = StepWork(sequences: 1, positions: 528, promptTokens: 0, promptPositions: 0, bytes: 4_000_000_000)
        let rate = projection.rate(step)
        #expect(rate.low <= rate.expected && rate.expected <= rate.high)
        #expect(rate.expected > 190 && rate.expected < 314)
        #expect(abs(projection.seconds(step).expected * rate.expected - 1) < 1e-12)
        #expect(projection.bottleneck(step) == .launch || projection.bottleneck(step) == .weights)
    }

    @Test func sharesAreOfTheDevicesBandwidth() throws {
        let projection = try projection()
        #expect(abs(projection.rooflineShare(bytes: 2_270_000_000, seconds: 0.001) - 1) < 1e-9)
        #expect(abs(projection.rooflineShare(bytes: 2_270_000_000, seconds: 0.1) - 0.01) < 1e-9)
        #expect(projection.rooflineShare(bytes: 1, seconds: 0) == 0)
    }

    @Test func onlyAFasterHostWaits() throws {
        let projection = try projection()
        let step = StepWork(sequences: 1, positions: 528, promptTokens: 0, promptPositions: 0, bytes: 4_000_000_000)
        let seconds = projection.seconds(step).expected
        #expect(projection.delay(step, took: 1) == 0)
        #expect(abs(projection.delay(step, took: seconds / 4) - seconds * 3 / 4) < 1e-12)
    }

    @Test func longerAndFullerStepsTakeLonger() throws {
        let projection = try projection()
        func seconds(_ sequences: Int, _ positions: Int, _ prompt: Int, _ looked: Int) -> Double {
            projection.seconds(StepWork(
                sequences: sequences, positions: positions, promptTokens: prompt, promptPositions: looked, bytes: 0)).expected
        }
        #expect(seconds(1, 4096, 0, 0) > seconds(1, 128, 0, 0))
        #expect(seconds(8, 8 * 128, 0, 0) > seconds(1, 128, 0, 0))
        #expect(seconds(1, 128, 256, 256 * 128) > seconds(1, 128, 0, 0))
        #expect(seconds(0, 0, 256, 256 * 4096) > seconds(0, 0, 256, 256 * 128))
        #expect(seconds(0, 0, 0, 0) == 0)
    }
}
