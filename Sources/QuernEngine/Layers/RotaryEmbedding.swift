// Cosine and sine tables of the rotary embedding, with the context extensions that configurations name.
//
// Sources: RoFormer (arXiv 2104.09864); linear scaling (position interpolation, arXiv 2306.15595); Llama 3.1's
// frequency-banded scaling and YaRN (arXiv 2309.00071) as Hugging Face `modeling_rope_utils` computes them.
// Invariant: angles are computed in double precision and rounded once, like the reference's f32 within one ulp.
import Foundation
import QuernModel
import QuernTensor

extension RotaryTable {
    init(config: ModelConfig, positions: Int, in arena: Arena) throws(SystemError) {
        try self.init(positions: positions, dimensions: config.rotaryDim, in: arena)
        let (frequencies, magnitude) = rotaryFrequencies(config)
        let half = config.rotaryDim / 2
        for position in 0..<positions {
            for index in 0..<half {
                let angle = Double(Float(position) * Float(frequencies[index]))
                cosine[position * half + index] = Float(cos(angle) * magnitude)
                sine[position * half + index] = Float(sin(angle) * magnitude)
            }
        }
    }
}

/// Inverse frequencies (radians per position) for each pair, and the factor on cosines and sines.
func rotaryFrequencies(_ config: ModelConfig) -> (frequencies: [Double], magnitude: Double) {
    let half = config.rotaryDim / 2
    let base = (0..<half).map { pow(config.ropeTheta, -Double(2 * $0) / Double(config.rotaryDim)) }
    switch config.ropeScaling {
    case .none:
        return (base, 1)
    case .linear(let factor):
        return (base.map { $0 / factor }, 1)
    case .divisors(let divisors):
        return (zip(base, divisors).map { $0 / $1 }, 1)
    case .llama3(let factor, let lowFactor, let highFactor, let original):
        return (base.map { llama3Frequency($0, factor, lowFactor, highFactor, Double(original)) }, 1)
    case .yarn(let factor, let betaFast, let betaSlow, let original, let attentionFactor):
        let low = yarnCorrection(betaFast, config, Double(original))
        let high = yarnCorrection(betaSlow, config, Double(original))
        let first = max(low.rounded(.down), 0)
        let last = min(high.rounded(.up), Double(config.rotaryDim - 1))
        let span = max(last - first, 0.001)
        let frequencies = base.enumerated().map { index, frequency in
            let ramp = min(max((Double(index) - first) / span, 0), 1)
            return frequency / factor * ramp + frequency * (1 - ramp)
        }
        return (frequencies, attentionFactor ?? (factor > 1 ? 0.1 * log(factor) + 1 : 1))
    }
}

private func llama3Frequency(
    _ frequency: Double, _ factor: Double, _ lowFactor: Double, _ highFactor: Double, _ original: Double
) -> Double {
    let wavelength = 2 * Double.pi / frequency
    if wavelength < original / highFactor { return frequency }
    if wavelength > original / lowFactor { return frequency / factor }
    let smooth = (original / wavelength - lowFactor) / (highFactor - lowFactor)
    return (1 - smooth) * frequency / factor + smooth * frequency
}

private func yarnCorrection(_ rotations: Double, _ config: ModelConfig, _ original: Double) -> Double {
    Double(config.rotaryDim) * log(original / (rotations * 2 * Double.pi)) / (2 * log(config.ropeTheta))
}
