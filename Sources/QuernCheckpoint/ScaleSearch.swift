// The scale of one group of weights: the half-precision number with the smallest squared error.

enum ScaleSearch {
    /// The largest magnitude lands on one of these integers. Above 127 the extremes are clamped and everything else gets
    /// a finer grid; below, the reverse.
    private static let targets: [Float] = [127, 126.5, 126, 125, 127.5, 128, 129, 130.5]

    /// - Parameters:
    ///   - weights: `count` floats, a multiple of 8.
    /// - Returns: the scale, the squared error with it, and the squared weights.
    static func best(_ weights: UnsafeRawPointer, count: Int) -> (scale: Float16, error: Float, weight: Float) {
        var magnitude = SIMD8<Float>()
        var squares = SIMD8<Float>()
        for offset in stride(from: 0, to: count * 4, by: 32) {
            let w = weights.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
            magnitude = pointwiseMax(magnitude, pointwiseMax(w, -w))
            squares += w * w
        }
        let largest = magnitude.max()
        guard largest.isFinite, Float(Float16(largest / 127)) > 0 else { return (0, squares.sum(), squares.sum()) }
        var best: (scale: Float16, error: Float) = (0, .infinity)
        var refit: Float = 0
        for target in targets {
            let scale = Float16(largest / target)
            let (error, optimum) = evaluate(weights, count, Float(scale))
            if error < best.error {
                best = (scale, error)
                refit = optimum
            }
        }
        let scale = Float16(refit)
        if scale > 0, scale.isFinite {
            let (error, _) = evaluate(weights, count, Float(scale))
            if error < best.error { best = (scale, error) }
        }
        return (best.scale, best.error, squares.sum())
    }

    /// The squared error of rounding with `scale`, and the scale that fits the same integers best.
    @inline(__always) private static func evaluate(
        _ weights: UnsafeRawPointer, _ count: Int, _ scale: Float
    ) -> (error: Float, optimum: Float) {
        let inverse = 1 / scale
        let magic = SIMD8<Float>(repeating: 12_582_912)     // 1.5 * 2^23: adding rounds to an integer
        let limit = SIMD8<Float>(repeating: 127)
        var errors = SIMD8<Float>()
        var products = SIMD8<Float>()
        var squares = SIMD8<Float>()
        for offset in stride(from: 0, to: count * 4, by: 32) {
            let w = weights.loadUnaligned(fromByteOffset: offset, as: SIMD8<Float>.self)
            let q = pointwiseMin(pointwiseMax((w * inverse + magic) - magic, -limit), limit)
            let difference = w - q * scale
            errors += difference * difference
            products += w * q
            squares += q * q
        }
        let mass = squares.sum()
        return (errors.sum(), mass > 0 ? products.sum() / mass : 0)
    }
}
