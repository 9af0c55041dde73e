// Memory for a table: aligned to cache lines, zeroed, and on huge pages when large enough to gain from them.
//
// Look-ups in a table of megabytes miss the TLB on 4 kB pages; the advice must come before the first touch. Invariant: the
// memory lives as long as the slab, whose owner hands out pointers only while it lives itself.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

final class Slab<Element: BitwiseCopyable>: @unchecked Sendable {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(_ count: Int) {
        let size = max(1, count) * MemoryLayout<Element>.stride
        let huge = 2 << 20
        var raw: UnsafeMutableRawPointer?
        precondition(posix_memalign(&raw, size >= huge ? huge : 64, size) == 0, "out of memory")
        #if os(Linux)
            if size >= huge { madvise(raw, size, Int32(MADV_HUGEPAGE)) }
        #endif
        memset(raw!, 0, size)
        base = raw!.bindMemory(to: Element.self, capacity: max(1, count))
        self.count = count
    }

    convenience init(_ elements: [Element]) {
        self.init(elements.count)
        elements.withUnsafeBufferPointer { if let source = $0.baseAddress { base.update(from: source, count: $0.count) } }
    }

    deinit { free(base) }
}
