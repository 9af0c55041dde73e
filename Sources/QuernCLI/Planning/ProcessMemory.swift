// How much memory this process has.
import Foundation
import Glibc

enum ProcessMemory {
    /// Bytes resident now.
    static var resident: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// Tables of a byte-level tokenizer for each entry of its vocabulary.
    static let tokenizerBytesPerToken = 400.0
}
