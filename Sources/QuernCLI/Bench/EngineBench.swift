// The in-engine bench: rounds of walls and all loads, interleaved; noisy rounds are measured again.
//
// Owns: the order of measurements and the patience with a noisy machine. Does not own: what a load is, how results are printed.
import Foundation
import Quern
import QuernEngine
import QuernMeasure
import QuernTensor

struct EngineBench {
    let load: BenchLoad
    let keys: [BenchSeries.Key]
    let rounds: Int

    /// - Parameter progress: fraction done, 0...1; repeated rounds do not count.
    func run(progress: (Double) -> Void) async throws -> (walls: BenchWalls, company: BenchReport.Company, series: [BenchSeries]) {
        let info = load.model.info
        guard let set = InstructionSet(info.instructionSet) else { throw Failure.general("no kernels for this processor") }
        let probe = try WallProbe(threads: info.threads, instructionSet: set)
        var company = BenchReport.Company()
        var walls: [[WallSamples]] = []
        var samples = keys.map { _ in [BenchLoad.Sample]() }
        _ = try await round(probe)      // warms caches, pages and clocks
        while walls.count < rounds {
            progress(Double(walls.count) / Double(rounds))
            let (start, clock) = (HostCounters.now(), ContinuousClock.now)
            let (measured, found) = try await round(probe)
            let noise = HostNoise(from: start, to: .now(), seconds: (ContinuousClock.now - clock) / .seconds(1))
            if noise.isNoisy {
                if company.repeatedRounds < rounds {
                    company.repeatedRounds += 1
                    continue
                }
                company.noisyRounds += 1
            }
            company.noise.formMaximum(noise)
            walls.append(measured)
            for index in samples.indices { samples[index].append(found[index]) }
        }
        let series = zip(keys, samples).enumerated().map { index, measured in
            let (key, samples) = measured
            var series = BenchSeries(
                key, runs: samples.map(\.rate), bytesPerToken: samples.map(\.bytesPerToken).median,
                multipliesPerToken: Double(key.kind == .decode ? info.weightsPerStep : info.weightsPerStep - info.headWeights))
            series.compare(with: walls.map { BenchWalls(WallSamples($0[index...(index + 1)]).usual) })
            return series
        }
        return (BenchWalls(WallSamples(walls.joined()).limit), company, series)
    }

    /// The walls before every load and after the last one.
    private func round(_ probe: WallProbe) async throws -> ([WallSamples], [BenchLoad.Sample]) {
        var walls = [probe.measure()]
        var samples: [BenchLoad.Sample] = []
        for key in keys {
            switch key.kind {
            case .prefill: samples.append(try await load.prefill(key.tokens, depth: key.depth))
            case .decode: samples.append(try await load.decode(key.tokens, depth: key.depth, batch: key.batch))
            }
            walls.append(probe.measure())
        }
        return (walls, samples)
    }
}

extension BenchWalls {
    fileprivate init(_ walls: Walls) {
        self.init(readBandwidth: walls.readBandwidth, multiplyRate: walls.multiplyRate, clock: walls.clock)
    }
}
