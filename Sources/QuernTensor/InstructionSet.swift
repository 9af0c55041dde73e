// Which kernel table is used. Owns the names and the choice; the tables themselves are C.
import CQuernKernels

/// A resolved kernel table: the best the processor supports, or a lower one asked for by name.
public struct InstructionSet: @unchecked Sendable, CustomStringConvertible {
    package let ops: OpaquePointer

    /// - Parameter name: `scalar`, `avx2`, …; nil takes the best supported.
    /// - Returns: nil when the name is unknown or the processor lacks it.
    public init?(_ name: String? = nil) {
        let resolved = name.map { $0.withCString { qk_ops_resolve($0) } } ?? qk_ops_resolve(nil)
        guard let resolved else { return nil }
        ops = resolved
    }

    public var description: String { String(cString: qk_ops_name(ops)) }

    /// Every name this processor supports, slowest first.
    public static var supported: [String] {
        var names: [String] = []
        while let name = qk_ops_supported(Int32(names.count)) { names.append(String(cString: name)) }
        return names
    }
}
