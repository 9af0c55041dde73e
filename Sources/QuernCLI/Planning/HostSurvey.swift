// The profile of this host: rounds of timed synthetic models, and the walls beside them.
//
// Owns: how long is measured and which rounds count. Does not own: what a round is (HostProbe). Invariants: it ends within its
// time limit; what one round could not measure, medians of fewer show. Rounds that other programs or the hypervisor disturbed
// count only when there are no others.
import Foundation
import Quern
import QuernEngine
import QuernMeasure
import QuernPlanner
import QuernTensor

struct HostSurvey {
    private static let secondsOfRounds = 16.0

    let threads: Int?
    let progress: (Double) -> Void

    /// What else the machine did while it was measured.
    struct Company {
        var rounds = 0
        var noisyRounds = 0
        /// The worst of everything measured.
        var noise = HostNoise()
    }

    func profile() async throws -> (profile: DeviceProfile, company: Company) {
        let started = ContinuousClock.now
        let base = Double(ProcessMemory.resident)
        var probe = try HostProbe(threads: threads)
        var company = Company()
        var quiet: [Int] = []
        var seconds = 0.0   // that the next round is expected to take
        repeat {
            let (counters, began) = (HostCounters.now(), ContinuousClock.now)
            try await probe.round()
            seconds = (ContinuousClock.now - began) / .seconds(1)
            let noise = HostNoise(from: counters, to: .now(), seconds: seconds)
            company.noise.formMaximum(noise)
            if noise.isNoisy { company.noisyRounds += 1 } else { quiet.append(company.rounds) }
            company.rounds += 1
            // The first round also computes what later ones find in the prefix cache, which is twice as much.
            if company.rounds == 1 { seconds /= 3 }
            progress(min(1, (ContinuousClock.now - started) / .seconds(1) / Self.secondsOfRounds))
        } while (ContinuousClock.now - started) / .seconds(1) + seconds < Self.secondsOfRounds && quiet.count < 9
        let counted = quiet.isEmpty ? Array(0..<company.rounds) : quiet
        let rounds = "\(counted.count) rounds" + (quiet.isEmpty ? " on a busy machine" : "")
        let maker = "quern calibrate, \(probe.info.threads) threads, \(probe.info.instructionSet)"
        let source = "\(maker), median of \(rounds)"
        let (counters, began) = (HostCounters.now(), ContinuousClock.now)
        let profile = try profile(
            try probe.engine(rounds: counted, source: source), base: base, threads: probe.info.threads,
            instructionSet: probe.info.instructionSet, walls: probe.walls(rounds: counted), source: source,
            limit: "\(maker), what a tenth of the samples of \(rounds) reach")
        company.noise.formMaximum(HostNoise(from: counters, to: .now(), seconds: (ContinuousClock.now - began) / .seconds(1)))
        return (profile, company)
    }

    private func profile(
        _ measured: EngineCalibration, base: Double, threads: Int, instructionSet: String,
        walls: Walls, source: String, limit: String
    ) throws -> DeviceProfile {
        guard let set = InstructionSet(instructionSet) else { throw Failure.general("no kernels for this processor") }
        var facts = FactTable()
        func add(_ key: String, _ value: Double, _ dimension: QuernPlanner.Dimension, _ confidence: Confidence, _ by: String) {
            _ = facts.add(key, Fact(value: Estimate(value), dimension: dimension, confidence: confidence, source: by))
        }
        add("memory.capacity", Double(ProcessInfo.processInfo.physicalMemory), .bytes, .read, "the operating system")
        add("memory.read", walls.readBandwidth, .bytesPerSecond, .measured, "\(limit), plain loads")
        var count = 1
        while count < threads {
            let read = try WallProbe(threads: count, instructionSet: set).measure().limit.readBandwidth
            let by = "quern calibrate: \(count) \(count == 1 ? "thread" : "threads"), plain loads, what a tenth of the samples reach"
            add("memory.read.\(count)", read, .bytesPerSecond, .measured, by)
            count *= 2
        }
        if walls.multiplyRate > 0 {
            add("compute.int8", 2 * walls.multiplyRate, .operationsPerSecond, .measured, "\(limit), exact 16-bit products on registers")
        }
        add("compute.f32", try Self.floatRate(threads: threads), .operationsPerSecond, .measured, "\(source), BLAS 1024^3")
        var engine = measured.facts
        _ = engine.add(
            "threads", Fact(value: Estimate(Double(threads)), dimension: .count, confidence: .measured, source: source))
        _ = engine.add(
            "process.memory", Fact(value: Estimate(base), dimension: .bytes, confidence: .measured, source: source))
        _ = engine.add(
            "process.memory.token", Fact(
                value: Estimate(ProcessMemory.tokenizerBytesPerToken), dimension: .bytes, confidence: .derived,
                source: "resident size of tokenizer tables by entries of the vocabulary, Qwen2.5 and SmolLM2"))
        return DeviceProfile(
            id: "host", name: "\(ProcessInfo.processInfo.hostName), \(threads) threads, \(instructionSet)", facts: facts,
            engines: [EngineCalibration(name: measured.name, facts: engine)])
    }

    /// Operations per second of a 1024 x 1024 by 1024 x 1024 product in f32.
    private static func floatRate(threads: Int) throws -> Double {
        let size = 1024
        let arena = Arena()
        BLAS.setThreadCount(threads)
        let matrix = try FloatMatrix(rows: size, columns: size, in: arena)
        let x = try arena.floats(size * size)
        let y = try arena.floats(size * size)
        for index in 0..<(size * size) {
            matrix.values[index] = Float(index % 7) / 7
            x[index] = Float(index % 5) / 5
        }
        let times = (0..<4).map { _ in
            let start = ContinuousClock.now
            BLAS.multiply(x, stride: size, rows: size, by: matrix, into: y, stride: size, accumulates: false)
            return (ContinuousClock.now - start) / .seconds(1)
        }
        return 2 * Double(size * size * size) / (times.min() ?? .infinity)
    }
}
