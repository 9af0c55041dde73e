// Single-precision products through BLAS: the reference path that the int8 kernels are judged by.
//
// Owns: the only calls into BLAS. Invariant: never runs while kernel workers are busy (the engine thread calls both).
import CBLAS

public enum BLAS {
    /// Sets the thread count of a BLAS that has one (OpenBLAS); the reference build ignores it.
    public static func setThreadCount(_ threads: Int) { quern_blas_set_threads(Int32(clamping: threads)) }

    /// y [m, W.rows] = x [m, W.columns] W^T (+ y when `accumulates`).
    ///
    /// - Parameters:
    ///   - x: row stride `stride` floats.
    ///   - y: row stride `outStride` floats.
    public static func multiply(
        _ x: Floats, stride: Int, rows m: Int, by weights: FloatMatrix, into y: Floats, stride outStride: Int,
        accumulates: Bool
    ) {
        precondition(m > 0 && x.count >= (m - 1) * stride + weights.columns)
        precondition(y.count >= (m - 1) * outStride + weights.rows)
        let beta: Float = accumulates ? 1 : 0
        if m == 1 {
            cblas_sgemv(
                CblasRowMajor, CblasNoTrans, Int32(weights.rows), Int32(weights.columns), 1, weights.values.base,
                Int32(weights.columns), x.base, 1, beta, y.base, 1)
        } else {
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, Int32(m), Int32(weights.rows), Int32(weights.columns), 1,
                x.base, Int32(stride), weights.values.base, Int32(weights.columns), beta, y.base, Int32(outStride))
        }
    }
}
